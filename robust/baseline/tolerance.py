"""Tolerance: how far a figure may get worse, as the user writes it: "robust_acc:2pp", or "mean:+2" for a mean score.

Of corruptions "mean:2pp" is of the mean of the accuracies under each: what is in points is an accuracy.

No numpy: read at the start.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from robust.attacks.criteria.registry import label_kind, read_criterion
from robust.attacks.grammar.corruption import CORRUPTION, list_corruptions
from robust.attacks.registry import suggest

CLEAN, ROBUST, MEAN, CERTIFIED, DISTANCE = "clean_acc", "robust_acc", "mean", "certified_acc", "distance"
MIOU = "miou"  # of maps of classes
CORRUPTED = "mean_corrupted"  # written "mean:2pp"
WORDS = {
    CLEAN: "clean accuracy",
    ROBUST: "robust accuracy",
    MEAN: "mean score under attack",
    MIOU: "mIoU under attack",
    CORRUPTED: "mean accuracy over corruptions",
    CERTIFIED: "certified accuracy",
    DISTANCE: "adversarial distance",
}
DEFAULT = f"{ROBUST}:0pp"  # a comparison that nothing can fail would be taken for a gate
DEFAULT_CERTIFIED = f"{CERTIFIED}:0pp"  # besides, where samples are certified
DEFAULT_DISTANCE = f"{DISTANCE}:0%"  # besides, where curves are measured


@dataclass(frozen=True, slots=True)
class Tolerance:
    """An accuracy, and the percentage points by which it may drop.

    Or a mean score, and how much worse it may be; or the mean of distances, and per cent of it.
    """

    metric: str
    points: Fraction  # so that 2.3 points of 1,000 samples are 23; of a mean score in its units
    sign: str = ""  # of a mean score: "+" if it gets worse as it rises, "-" if as it falls, "" if the user did not say

    def __str__(self) -> str:
        if self.metric == MEAN:
            return f"{self.metric}:{self.sign}{float(self.points):g}"
        word = MEAN if self.metric == CORRUPTED else self.metric
        return f"{word}:{float(self.points):g}{_unit(self.metric)}"


def read_tolerance(text: str) -> Tolerance:
    """Read "robust_acc:2pp", "miou:2pp", "mean:+2", or of corruptions "mean:2pp".

    Raise ValueError for what is no tolerance, LookupError for another word.
    """
    metric, _, drop = text.partition(":")
    if metric not in (typed := [word for word in WORDS if word != CORRUPTED]):
        raise LookupError(f"unknown accuracy {suggest(metric, typed)}; write {ROBUST}:2pp")
    if metric == MEAN and not re.fullmatch(r"[\d.]+pp", drop):
        return _read_mean(drop)
    unit = _unit(metric)
    if not re.fullmatch(rf"\d{{1,3}}(\.\d{{1,9}})?{unit}", drop) or (points := Fraction(drop.removesuffix(unit))) > 100:
        what = "percentage points" if unit == "pp" else "per cent"
        raise ValueError(f"expected {what} from 0 to 100, as {metric}:2{unit}, got {drop or 'none'}")
    return Tolerance(CORRUPTED if metric == MEAN else metric, points)


def _read_mean(text: str) -> Tolerance:
    if not (found := re.fullmatch(r"([+-]?)(\d{1,9}(?:\.\d{1,9})?)", text)):
        expected = "expected how much worse the mean score may be, in its units, as mean:+2"
        raise ValueError(f"{expected}, got {text or 'none'}")
    return Tolerance(MEAN, Fraction(found[2]), found[1])


def _unit(metric: str) -> str:
    """Return the unit of a drop."""
    return "%" if metric == DISTANCE else "pp"


def refuse_twice(margins: tuple[Tolerance, ...]) -> None:
    """Raise ValueError if one accuracy has two margins."""
    metrics = [margin.metric for margin in margins]
    if twice := next((metric for metric in metrics if metrics.count(metric) > 1), None):
        raise ValueError(f"{twice} is given twice; of two margins only the narrower would count")


def refuse_mean(margin: Tolerance, criterion: str) -> None:
    """Raise ValueError if a margin of the mean score, or of mIoU, does not fit the criterion."""
    if margin.metric == MIOU and label_kind(criterion) != "map":
        raise ValueError(f"mIoU is of maps of classes, and the criterion is {criterion}; leave it out")
    if margin.metric != MEAN:
        return
    judged = read_criterion(criterion)
    if not judged.score_name:
        of_corruptions = f"or under corruptions {MEAN}:{float(margin.points):g}pp"
        raise ValueError(f"the {WORDS[MEAN]} by {criterion} is the accuracy; give robust_acc:2pp, {of_corruptions}")
    worse = "+" if judged.rises else "-"
    if margin.sign not in ("", worse):
        way = "rises" if judged.rises else "falls"
        raise ValueError(
            f"the mean of {judged.score_name} by {criterion} gets worse as it {way}; "
            f"write {MEAN}:{worse}{float(margin.points):g}"
        )


def refuse_corrupted(margin: Tolerance, threats: Iterable[str]) -> None:
    """Raise ValueError for a margin of the mean over corruptions where no threat model has any."""
    if margin.metric == CORRUPTED and not any(map(list_corruptions, threats)):
        raise ValueError(
            f"it is of the mean over corruptions, and no threat model has any; add one, as {CORRUPTION}:3, or of a "
            f"mean score leave out pp, as {MEAN}:{float(margin.points):g}"
        )
