"""Tolerance: how far an accuracy may drop, as the user writes it: "robust_acc:2pp". No numpy: read at the start."""

import re
from dataclasses import dataclass
from fractions import Fraction

from robust.attacks.registry import suggest

CLEAN, ROBUST, CERTIFIED, DISTANCE = "clean_acc", "robust_acc", "certified_acc", "distance"
WORDS = {
    CLEAN: "clean accuracy",
    ROBUST: "robust accuracy",
    CERTIFIED: "certified accuracy",
    DISTANCE: "adversarial distance",
}
DEFAULT = f"{ROBUST}:0pp"  # a comparison that nothing can fail would be taken for a gate
DEFAULT_CERTIFIED = f"{CERTIFIED}:0pp"  # besides, where samples are certified
DEFAULT_DISTANCE = f"{DISTANCE}:0%"  # besides, where curves are measured


@dataclass(frozen=True, slots=True)
class Tolerance:
    """An accuracy, and the percentage points by which it may drop; of distances, the mean and per cent of it."""

    metric: str
    points: Fraction  # so that 2.3 points of 1,000 samples are 23

    def __str__(self) -> str:
        return f"{self.metric}:{float(self.points):g}{_unit(self.metric)}"


def read_tolerance(text: str) -> Tolerance:
    """Read "robust_acc:2pp"; raise ValueError for what is no tolerance, LookupError for another accuracy."""
    metric, _, drop = text.partition(":")
    if metric not in WORDS:
        raise LookupError(f"unknown accuracy {suggest(metric, WORDS)}; write {ROBUST}:2pp")
    unit = _unit(metric)
    if not re.fullmatch(rf"\d{{1,3}}(\.\d{{1,9}})?{unit}", drop) or (points := Fraction(drop.removesuffix(unit))) > 100:
        what = "percentage points" if unit == "pp" else "per cent"
        raise ValueError(f"expected {what} from 0 to 100, as {metric}:2{unit}, got {drop or 'none'}")
    return Tolerance(metric, points)


def _unit(metric: str) -> str:
    """Return the unit of a drop."""
    return "%" if metric == DISTANCE else "pp"


def refuse_twice(margins: tuple[Tolerance, ...]) -> None:
    """Raise ValueError if one accuracy has two margins."""
    metrics = [margin.metric for margin in margins]
    if twice := next((metric for metric in metrics if metrics.count(metric) > 1), None):
        raise ValueError(f"{twice} is given twice; of two margins only the narrower would count")
