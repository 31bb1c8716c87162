"""Read the options of baselines: which to compare with, how far an accuracy may drop, and whether to save one."""

import re
from dataclasses import dataclass
from pathlib import Path

from robust.baseline.tolerance import CLEAN, DEFAULT, Tolerance, read_tolerance, refuse_twice
from robust.gates import pair_slug
from robust.settings.parsing import OptionError, blame, read_list
from robust.settings.sources import OptionValue

AUTO, LATEST = "auto", "latest"
NAME = r"\w[\w.+-]*"


@dataclass(frozen=True, slots=True)
class RegressionCheck:
    """An accuracy that must not drop: the robust accuracy of a row, or the clean accuracy of a model."""

    margin: Tolerance
    row: str  # "" for all attacks together, or a suite
    threat: str

    @property
    def slug(self) -> str:
        """Return the part of a test's name: "clean", "linf-8_255", "standard-1-linf-8_255"."""
        return "clean" if self.margin.metric == CLEAN else pair_slug(self.row, self.threat)


@dataclass(frozen=True, slots=True)
class Baselines:
    """The baseline to compare with, and the name to save one under."""

    compare: str | None  # "latest", "auto" or a path
    folder: Path  # where a relative path starts
    margins: tuple[Tolerance, ...]  # none if nothing is compared
    save: str | None  # a name, "" for the commit's; None: nothing is saved

    def plan_checks(self, rows: tuple[str, ...], threats: tuple[str, ...]) -> list[RegressionCheck]:
        """Return the checks of each model: its clean accuracy once, and the robust accuracy of each row.

        The quickest check is the first.
        """
        pairs = [(row, threat) for threat in threats for row in rows]
        return [
            RegressionCheck(margin, *pair)
            for margin in sorted(self.margins, key=lambda margin: margin.metric)
            for pair in (pairs[:1] if margin.metric == CLEAN else pairs)
        ]


def read_baselines(compare: OptionValue, tolerances: OptionValue, save: OptionValue) -> Baselines:
    """Return the baselines of a run; OptionError for what is wrong with one of the three options."""
    if compare.text is None and tolerances.typed:
        raise OptionError(tolerances.name, None, "say what to compare with, as --robust-compare=latest")
    margins = read_list(tolerances, read_tolerance, DEFAULT)
    with blame(tolerances.name):
        refuse_twice(margins)
    return Baselines(compare.text, compare.folder, margins if compare.text else (), _read_name(save))


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
