"""Read the options of baselines: which to compare with, how far an accuracy may drop, and whether to save one."""

import re
from dataclasses import dataclass
from pathlib import Path

from robust.attacks.grammar.corruption import list_corruptions
from robust.baseline.tolerance import (
    CERTIFIED,
    CLEAN,
    CORRUPTED,
    DEFAULT,
    DEFAULT_CERTIFIED,
    DEFAULT_DISTANCE,
    DISTANCE,
    MEAN,
    MIOU,
    ROBUST,
    Tolerance,
    read_tolerance,
    refuse_twice,
)
from robust.gates import pair_slug
from robust.settings.parsing import OptionError, blame, read_list
from robust.settings.sources import OptionValue

AUTO, LATEST = "auto", "latest"
FLOAT = "float"  # the network that a compressed one came from, measured in the same run
FLOAT_MARGINS = f"{CLEAN}:0pp,{DEFAULT}"
NAME = r"\w[\w.+-]*"


@dataclass(frozen=True, slots=True)
class RegressionCheck:
    """A figure that must not get worse: of a row its robust accuracy or mean score; what is clean or certified."""

    margin: Tolerance
    row: str  # "" for all attacks together, or a suite
    threat: str

    @property
    def slug(self) -> str:
        """Return the part of a test's name: "clean", "linf-8_255", "standard-1-linf-8_255", "certified-linf-8_255".

        That of a mean score begins with "mean": "mean-standard-1-linf-8_255", that of mIoU with "miou", and that of the
        mean over corruptions with "mean_corrupted"; that of distances is "distance-linf".
        """
        if self.margin.metric == CLEAN:
            return "clean"
        if self.margin.metric in (MEAN, MIOU, CORRUPTED):
            return f"{self.margin.metric}-{pair_slug(self.row, self.threat)}"
        if self.margin.metric == DISTANCE:
            return f"distance-{self.threat.partition(':')[0]}"
        return pair_slug("certified" if self.margin.metric == CERTIFIED else self.row, self.threat)


@dataclass(frozen=True, slots=True)
class Baselines:
    """The baseline to compare with, and the name to save one under."""

    compare: str | None  # "latest", "auto", "float" or a path
    folder: Path  # where a relative path starts
    margins: tuple[Tolerance, ...]  # none if nothing is compared
    save: str | None  # a name, "" for the commit's; None: nothing is saved
    strict: bool = True  # whether a baseline without a certificate is refused where one is to be compared

    def plan_checks(self, rows: tuple[str, ...], threats: tuple[str, ...]) -> list[RegressionCheck]:
        """Return the checks of each model: its clean accuracy once, robust accuracy, mean score and mIoU of each row.

        And what is certified under each threat model, and the distances in each norm. The quickest check is the first.
        """
        pairs = [(row, threat) for threat in threats for row in rows]
        some = {CLEAN: pairs[:1], CERTIFIED: [(row, threat) for threat in threats for row in rows[:1]]}
        norms = {threat.partition(":")[0]: threat for threat in reversed(threats)}
        some[DISTANCE] = [pair for pair in some[CERTIFIED] if pair[1] in norms.values()]
        some[CORRUPTED] = [pair for pair in pairs if list_corruptions(pair[1])]
        order = (CLEAN, ROBUST, MEAN, MIOU, CORRUPTED, CERTIFIED, DISTANCE)
        return [
            RegressionCheck(margin, *pair)
            for margin in sorted(self.margins, key=lambda margin: order.index(margin.metric))
            for pair in some.get(margin.metric, pairs)
        ]


def read_baselines(
    compare: OptionValue,
    tolerances: OptionValue,
    save: OptionValue,
    *,
    certified: bool = False,
    curves: tuple[str, ...] = (),
) -> Baselines:
    """Return the baselines of a run; OptionError for what is wrong with one of the three options.

    `certified` is whether samples are: then those of the baseline must not be lost, either. So it is with
    the distances of `curves`.
    """
    if compare.text is None and tolerances.typed:
        raise OptionError(tolerances.name, None, "say what to compare with, as --robust-compare=latest")
    usual = ",".join([DEFAULT, *[DEFAULT_CERTIFIED] * certified, *[DEFAULT_DISTANCE] * bool(curves)])
    margins = read_list(tolerances, read_tolerance, FLOAT_MARGINS if compare.text == FLOAT else usual)
    with blame(tolerances.name):
        refuse_twice(margins)
    if not certified and (proof := next((margin for margin in margins if margin.metric == CERTIFIED), None)):
        raise OptionError(tolerances.name, str(proof), "nothing is certified; say how, as --robust-certify=crown")
    if not curves and (far := next((margin for margin in margins if margin.metric == DISTANCE), None)):
        raise OptionError(tolerances.name, str(far), "there is no curve; add --robust-curve")
    if compare.text == FLOAT and (other := next((m for m in margins if m.metric not in (CLEAN, ROBUST)), None)):
        raise OptionError(tolerances.name, str(other), f"with a float network {CLEAN} and {ROBUST} are compared")
    given = margins if compare.text else ()
    return Baselines(compare.text, compare.folder, given, _read_name(save), bool(tolerances.texts))


def _read_name(option: OptionValue) -> str | None:
    """Return the name to save under.

    pytest takes an argument of its own that follows a bare --robust-save for the name, so names of files are refused.
    """
    name = option.text
    if name and (not re.fullmatch(NAME, name) or (option.folder / name).exists()):
        raise OptionError(
            option.name,
            name,
            "expected a name of letters, digits and ._+- that no file has here; where it is an argument of pytest's, "
            "write it before",
        )
    return name
