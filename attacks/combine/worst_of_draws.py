"""Held: for a model that draws, only the last iterate is judged, and by several draws: no lucky one ends the ascent."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from robust.attacks.engine import Attack
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task


class WorstOfDrawsState(NamedTuple):
    """The state: until the last step x itself, and the first answer to it."""

    x: Tensor
    logits: Tensor
    inner: Any


@dataclass(frozen=True, slots=True)
class WorstOfDraws:
    """`attack` to its last step, whatever the model answers on the way; then the rightest of `looks` answers counts.

    An input that barely fools a model that draws does so by luck, and not on a second look; a loss that rises further
    leads to one that fools it in every draw. Within EOT the first answer is a mean, too.
    """

    attack: Attack[Any]
    looks: int = 10

    def __post_init__(self) -> None:
        check_at_least_1("looks, the number of answers,", self.looks)

    @property
    def steps(self) -> int:
        return self.attack.steps

    def init(self, task: Task) -> WorstOfDrawsState:
        return WorstOfDrawsState(task.x, task.logits(task.x), self.attack.init(task))

    def step(self, task: Task, state: WorstOfDrawsState, k: int) -> WorstOfDrawsState:
        inner = self.attack.step(task, state.inner, k)
        if k + 1 < self.steps:
            return WorstOfDrawsState(state.x, state.logits, inner)
        return WorstOfDrawsState(inner.x, self._rightest(replace(task, draws=1), inner.x), inner)

    def _rightest(self, task: Task, x: Tensor) -> Tensor:
        """For each sample the answer that misses its label least."""
        answers = torch.stack([task.logits(x) for _ in range(self.looks)])  # (looks, n, classes)
        missed = torch.stack([task.criterion.margin(logits, task.y) for logits in answers])
        return answers[missed.argmin(0), torch.arange(len(x), device=x.device)]
