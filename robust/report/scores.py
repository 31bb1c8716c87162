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
    criterion = read_criterion(record.criterion["name"])
    share = criterion.labels == "bits"
    name = f"{criterion.score_name}{' %' * share}"
    return Scores(name, *(Mean.of(score, 100 if share else 1) for score in (clean, worst)))
