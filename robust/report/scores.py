"""The mean scores of a row, such as its errors: without an attack, and of the worst input found for each sample."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from robust.attacks.criteria.registry import read_criterion
from robust.gates import MEAN, MIOU, Mean
from robust.records.corrupted import Corrupted
from robust.records.record import Record

IOU = "mIoU %"  # the name of the mean intersection over union


@dataclass(frozen=True, slots=True)
class Scores:
    """The mean scores of a row; shares are in percent."""

    name: str  # "error", or IOU
    clean: Mean
    attacked: Mean

    def __str__(self) -> str:
        return f"{self.clean} without an attack, {self.attacked} under attack"


@dataclass(frozen=True, slots=True)
class MeanFigure:
    """A mean over samples, or over what they sum up to, that a floor may limit."""

    measure: str  # of the floor: "mean" or "miou"
    key: str  # of JUnit's properties: "mean_error"
    title: str  # "mean error", "mIoU"
    mean: Mean
    rises: bool = False  # whether a higher one is worse

    def __str__(self) -> str:
        return f"{self.title} {self.mean}"


def list_means(
    criterion: str,
    score: NDArray[Any] | None,
    regions: NDArray[Any] | None,
    corrupted: Corrupted | None = None,
) -> list[MeanFigure]:
    """List the mean of scores, (n,), and the mIoU of regions, (n, 2 C), as far as there are any.

    Under corruptions the mean is that of the accuracies under each.
    """
    judged, figures = read_criterion(criterion), []
    if corrupted is not None:
        figures.append(mean_corrupted(corrupted))
    elif score is not None:
        mean, name = Mean.of(score, score_scale(criterion)), judged.score_name
        figures.append(MeanFigure(MEAN, f"{MEAN}_{name}", f"mean {name}", mean, judged.rises))
    if regions is not None:
        figures.append(MeanFigure(MIOU, MIOU, "mIoU", Mean.of_regions(regions)))
    return figures


def list_means_of(record: Record) -> list[MeanFigure]:
    """List the means of a row under attack that a floor may limit."""
    return list_means(record.criterion["name"], record.worst_score, record.worst_regions, record.corrupted)


def mean_corrupted(corrupted: Corrupted) -> MeanFigure:
    """Return the mean over corruptions of the accuracy, in percent of all samples."""
    n = len(corrupted.counts)
    title = f"mean accuracy over {n} corruptions" if n > 1 else "accuracy"
    return MeanFigure(MEAN, f"{MEAN}_corrupted", title, Mean.of(corrupted.shares, 100))


def scores_of(record: Record) -> tuple[Scores, ...]:
    """Return the mean scores of a row, and of maps their mIoU; none if its criterion has none."""
    clean, worst = record.score, record.worst_score
    if clean is None or worst is None:
        return ()
    name = record.criterion["name"]
    scale = score_scale(name)
    title = f"{read_criterion(name).score_name}{' %' * (scale > 1)}"
    found = [Scores(title, *(Mean.of(score, scale) for score in (clean, worst)))]
    if record.regions is not None and record.worst_regions is not None:
        found.append(Scores(IOU, *map(Mean.of_regions, (record.regions, record.worst_regions))))
    return tuple(found)


def score_scale(criterion: str) -> int:
    """Return by what scores are multiplied for people: shares are in percent."""
    return 100 if read_criterion(criterion).labels in ("bits", "map") else 1
