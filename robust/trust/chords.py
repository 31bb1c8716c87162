"""An attack along the chords to inputs of other classes: labels alone decide, no gradient and no logit."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from robust.attacks.task import Task

FAR = 1e3  # times a chord: so far beyond its end, projected, lies the edge of the ball


class ChordState(NamedTuple):
    """The state: the last query, and for each sample the numbers of the others that it is moved to."""

    x: Tensor
    logits: Tensor
    order: Tensor  # (n, steps + 1) int64


@dataclass(frozen=True, eq=False)
class Chords:
    """Move each input as far as the ball lets it towards inputs with another answer, the nearest first.

    A chord between two classes crosses a boundary; from there the way is walked inwards, as the boundary attack does
    from its start (Brendel, Rauber and Bethge 2018, 1712.04248). One query for each chord.
    """

    others: Tensor  # (k, *features)
    answers: Tensor  # (k,) int64: the model's
    steps: int = 20

    def init(self, task: Task) -> ChordState:
        """Return the first state: the edge of the ball towards the nearest input with another answer."""
        others = self.others.to(task.x)
        distance = torch.cdist(task.x.flatten(1), others.flatten(1))
        same = self.answers.to(task.y)[None] == task.y[:, None]
        order = distance.masked_fill(same, torch.inf).argsort(1)[:, : self.steps + 1]
        return self._query(task, order, 0)

    def step(self, task: Task, state: ChordState, k: int) -> ChordState:
        return self._query(task, state.order, k + 1)

    def _query(self, task: Task, order: Tensor, k: int) -> ChordState:
        other = self.others.to(task.x)[order[:, min(k, order.shape[1] - 1)]]
        x = task.threat.project(task.x + FAR * (other - task.x), task.x)
        return ChordState(x, task.logits(x), order)
