"""The mean scores of a row, such as its errors: without an attack, and of the worst input found for each sample."""

from dataclasses import dataclass

from robust.attacks.criteria.registry import read_criterion
from robust.gates import Mean
from robust.records.record import Record


@dataclass(frozen=True, slots=True)
class Scores:
    """The mean scores of a row; shares are in percent."""

    name: str  # "error"
    clean: Mean
    attacked: Mean

    def __str__(self) -> str:
        return f"{self.clean} without an attack, {self.attacked} under attack"


def scores_of(record: Record) -> Scores | None:
    """Return the mean scores of a row; None if its criterion has none."""
    clean, worst = record.score, record.worst_score
    if clean is None or worst is None:
        return None
    name = record.criterion["name"]
    scale = score_scale(name)
    title = f"{read_criterion(name).score_name}{' %' * (scale > 1)}"
    return Scores(title, *(Mean.of(score, scale) for score in (clean, worst)))


def score_scale(criterion: str) -> int:
    """Return by what scores are multiplied for people: shares are in percent."""
    return 100 if read_criterion(criterion).labels == "bits" else 1
