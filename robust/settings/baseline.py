"""What the user says of baselines: which to compare with, how far an accuracy may drop, and whether to save one."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from robust.baseline.tolerance import CLEAN, DEFAULT, Tolerance, read_tolerance, refuse_twice
from robust.gates import pair_slug
from robust.options import dest, value
from robust.settings.parsing import base, blaming, each

AUTO, LATEST = "auto", "latest"
NAME = r"\w[\w.+-]*"


@dataclass(frozen=True, slots=True)
class RegressionCheck:
    """An accuracy that must not drop: of a row, or of a model without an attack."""

    margin: Tolerance
    row: str  # "" for all attacks together, or a suite
    threat: str

    @property
    def slug(self) -> str:
        """As in a test's name: "clean", "linf-8_255", "standard-1-linf-8_255"."""
        return "clean" if self.margin.metric == CLEAN else pair_slug(self.row, self.threat)


@dataclass(frozen=True, slots=True)
class Baselines:
    """What is compared and what is kept."""

    compare: str | None  # "latest", "auto" or a path
    folder: Path  # what a relative path is below
    margins: tuple[Tolerance, ...]  # none where nothing is compared
    save: str | None  # a name, "" for the commit's; None: nothing is kept

    def guards(self, rows: tuple[str, ...], threats: tuple[str, ...]) -> list[RegressionCheck]:
        """Of each model the clean accuracy once, and the robust accuracy of each row; the quickest first."""
        pairs = [(row, threat) for threat in threats for row in rows]
        return [
            RegressionCheck(margin, *pair)
            for margin in sorted(self.margins, key=lambda margin: margin.metric)
            for pair in (pairs[:1] if margin.metric == CLEAN else pairs)
        ]


def read_baselines(config: pytest.Config) -> Baselines:
    """Both options, and --robust-save; pytest.UsageError for what is wrong with them."""
    compare = value(config, "compare")
    if compare is None and config.getoption(dest("compare-fail")) is not None:
        raise pytest.UsageError("--robust-compare-fail: say what to compare with, as --robust-compare=latest")
    margins = each(config, "compare-fail", read_tolerance, DEFAULT)
    with blaming("compare-fail"):
        refuse_twice(margins)
    return Baselines(compare, base(config, "compare"), margins if compare else (), _save(config))


def _save(config: pytest.Config) -> str | None:
    """What follows a bare --robust-save would be taken for its name: pytest's own arguments are told from names."""
    name: str | None = value(config, "save")
    if name and (not re.fullmatch(NAME, name) or (config.invocation_params.dir / name).exists()):
        raise pytest.UsageError(
            f"--robust-save={name}: expected a name of letters, digits and ._+- that no file has here; where it is an "
            "argument of pytest's, write it before"
        )
    return name
