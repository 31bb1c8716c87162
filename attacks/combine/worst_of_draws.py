"""Worst of draws: for a random model only the last iterate is judged, by several draws, so that no lucky one counts."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from robust.attacks.engine import Attack
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task


class WorstOfDrawsState(NamedTuple):
    """The state: until the last step the clean x and the first answer to it; `inner` is that of the attack."""

    x: Tensor
    logits: Tensor
    inner: Any


@dataclass(frozen=True, slots=True)
class WorstOfDraws:
    """Run `attack` to its last step, whatever the model answers meanwhile; the best of `looks` answers then counts.

    An input that barely fools a random model does so by luck, and not in the next draw; a loss that rises further leads
    to an input that fools it in every draw. Within EOT the first answer is a mean, too.
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
        return WorstOfDrawsState(inner.x, self._best_answer(replace(task, draws=1), inner.x), inner)

    def _best_answer(self, task: Task, x: Tensor) -> Tensor:
        """Return for each sample the answer that misses its label least, (n, classes)."""
        answers = torch.stack([task.logits(x) for _ in range(self.looks)])  # (looks, n, classes)
        margins = torch.stack([task.criterion.margin(logits, task.y) for logits in answers])
        return answers[margins.argmin(0), torch.arange(len(x), device=x.device)]
