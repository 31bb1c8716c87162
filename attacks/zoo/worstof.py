"""worstof: the worst of some random draws, for evaluation and as a step of training; "worst of k" in 1712.02779."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.geometry import per_sample
from robust.attacks.losses import Loss
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1, check_loss
from robust.attacks.task import Task
from robust.attacks.words import FAMILIES


class WorstOfState(NamedTuple):
    """The state: the draw that was asked last, and the worst so far; in the end the latter."""

    x: Tensor
    logits: Tensor
    worst: Tensor  # (n, *features)
    worst_logits: Tensor
    loss: Tensor  # (n,): at the worst


@ATTACKS.register("worstof")
@dataclass(frozen=True, slots=True)
class WorstOf:
    """Draw `steps` points from the threat model, and end at that with the largest loss; no gradient is needed."""

    steps: int = 10
    loss: str | Loss = "ce"  # ce, margin, dlr or sice
    families: ClassVar[tuple[str, ...]] = FAMILIES

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        check_loss(self.loss)

    def init(self, task: Task) -> WorstOfState:
        x = task.fold(0).start()
        logits = task.logits(x)
        return WorstOfState(x, logits, x, logits, task.loss(logits, self.loss))

    def step(self, task: Task, state: WorstOfState, k: int) -> WorstOfState:
        if k + 1 == self.steps:
            return state._replace(x=state.worst, logits=state.worst_logits)
        x = task.fold(k + 1).start()
        logits = task.logits(x)
        loss = task.loss(logits, self.loss)
        worse = loss > state.loss
        worst, answers = (
            torch.where(per_sample(worse, new), new, old)
            for new, old in ((x, state.worst), (logits, state.worst_logits))
        )
        return WorstOfState(x, logits, worst, answers, torch.maximum(loss, state.loss))
