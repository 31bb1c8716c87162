"""FGSM, the fast gradient sign method: Goodfellow, Shlens and Szegedy 2015 (1412.6572)."""

from dataclasses import dataclass
from typing import ClassVar

from robust.attacks.engine import Ascent
from robust.attacks.families import BOUND
from robust.attacks.grammar.product import PRODUCT
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_loss
from robust.attacks.task import Task
from robust.attacks.words import STEPPED


@ATTACKS.register("fgsm")
@dataclass(frozen=True, slots=True)
class FGSM:
    """Take one step of the full eps along the steepest ascent of the loss: the sign of the gradient for linf."""

    loss: str = "ce"  # ce, margin, dlr or sice; of maps also segpgd, js, mask-ce, mask-ce-bal, mask-sph
    steps: ClassVar[int] = 1
    families: ClassVar[tuple[str, ...]] = STEPPED
    maps: ClassVar[dict[str, str]] = {"linf": "", "l2": "loss=margin", PRODUCT: BOUND}

    def __post_init__(self) -> None:
        check_loss(self.loss)

    def init(self, task: Task) -> Ascent:
        # The only step is also the last, in which the margin spends nothing on pixels that do not decide.
        at_end = task.during(1.0) if self.loss == "margin" else task
        logits, _, grad = at_end.ascent(task.x, self.loss)
        return Ascent(task.x, logits, grad)

    def step(self, task: Task, state: Ascent, k: int) -> Ascent:
        x = task.threat.step(state.x, state.grad, float(task.threat.eps))
        return Ascent(task.threat.project(x, task.x), None, state.grad)
