"""Frank-Wolfe on tables: to the admitted row that the gradient points to, found exactly (Frank and Wolfe 1956)."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor

from robust.attacks.grammar.features import FEATURES
from robust.attacks.losses import Loss
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1, check_loss
from robust.attacks.task import Task
from robust.attacks.threats.features import of_table


class FrankWolfeState(NamedTuple):
    """The state: the row that is judged, and the point whose gradient led there."""

    x: Tensor
    logits: Tensor | None
    grad: Tensor  # of the loss at `point`
    point: Tensor


@ATTACKS.register("frankwolfe")
@dataclass(frozen=True, slots=True)
class FrankWolfe:
    """Judge the row with the largest product with the gradient, and go on at that row, or on the way to it.

    Whole numbers, categories and relations are part of the problem, a mixed-integer program that HiGHS solves, so that
    the first step is exact for a linear model. Of the steps every second one takes the gradient at the row itself, the
    others at a point between it and the ones before, 2 / (k + 2) of the way as in the paper.
    """

    steps: int = 10
    loss: str | Loss = "margin"  # ce, margin, dlr or sice; of maps also segpgd, js, mask-ce, mask-ce-bal, mask-sph
    families: ClassVar[tuple[str, ...]] = (FEATURES,)

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        check_loss(self.loss)

    def init(self, task: Task) -> FrankWolfeState:
        """Return the first state: the clean row; after a restart a random one."""
        x = task.start()
        logits, _, grad = task.ascent(x, self.loss)
        return FrankWolfeState(x, logits, grad, x)

    def step(self, task: Task, state: FrankWolfeState, k: int) -> FrankWolfeState:
        x = of_table(task.threat).corner(task.x, state.grad)
        point = x if k % 2 == 0 else state.point.lerp(x, 2 / (k + 2))
        if k + 1 == self.steps:  # the gradient is not used
            return FrankWolfeState(x, None, state.grad, point)
        logits, _, grad = task.ascent(point, self.loss)
        return FrankWolfeState(x, logits if k % 2 == 0 else None, grad, point)
