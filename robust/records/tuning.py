"""The result of a study of `robust tune`: its trials, the best of them, and what mattered."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

State = Literal["finished", "pruned", "failed"]


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial: the values that it was trained with, and what came of it."""

    number: int  # from 1
    state: State
    values: dict[str, Any]
    recipe: str  # with its values, as `robust train` takes it
    model: str
    figures: dict[str, float]  # of its best epoch on validation, by objective and as "clean"; shares
    epochs: list[dict[str, float]]  # the same of each epoch
    seconds: float
    weights: str | None  # the file; only a finished trial has one
    reason: str | None  # why it failed, or when it was pruned


@dataclass(frozen=True, slots=True)
class Study:
    """The trials of a study, by their numbers."""

    name: str
    trials: tuple[Trial, ...]
    planned: int
    settings: dict[str, Any]
    importance: dict[str, dict[str, float]] = field(default_factory=dict)  # by objective, the share of each option

    @property
    def objectives(self) -> tuple[str, ...]:
        """Return what was made large."""
        return tuple(self.settings["objectives"])

    @property
    def varying(self) -> list[str]:
        """Return the names of the options that varied."""
        return [*self.settings["space"]]

    def list_by(self, state: State) -> list[Trial]:
        """Return the trials that ended so."""
        return [trial for trial in self.trials if trial.state == state]

    @property
    def front(self) -> list[Trial]:
        """Return the finished trials that no other matches in every objective, the best in the first objective first.

        With one objective that is the best trial; of equal ones it is the earliest.
        """
        return find_front(self.list_by("finished"), self.objectives)

    @property
    def best(self) -> Trial | None:
        """Return the first of the front; None if no trial finished."""
        return next(iter(self.front), None)

    def to_json(self) -> str:
        """Return the study as JSON."""
        best = [trial.number for trial in self.front]
        return json.dumps({**asdict(self), "best": best}, indent=1) + "\n"


def find_front(trials: Iterable[Trial], names: Sequence[str]) -> list[Trial]:
    """Return the trials that no other matches in these figures, one or two, the best in the first of them first."""
    front: list[Trial] = []
    for trial in sorted(trials, key=lambda trial: (*(-trial.figures[name] for name in names), trial.number)):
        if not front or (len(names) > 1 and trial.figures[names[1]] > front[-1].figures[names[1]]):
            front.append(trial)
    return front
