"""FFGSM, fast FGSM: FGSM from a random start (Wong, Rice and Kolter 2020, 2001.03994)."""

from dataclasses import dataclass
from typing import ClassVar

from robust.attacks.engine import Ascent
from robust.attacks.grammar.features import FEATURES
from robust.attacks.grammar.norms import NORMS
from robust.attacks.losses import Loss
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_loss
from robust.attacks.task import Task


@ATTACKS.register("ffgsm")
@dataclass(frozen=True, slots=True)
class FFGSM:
    """Take one step of `stride` eps along the ascent from a uniform random start, and project it."""

    stride: float = 1.25  # length of the step, as a share of eps; the paper's
    loss: str | Loss = "ce"  # ce, margin, dlr or sice
    steps: ClassVar[int] = 1
    families: ClassVar[tuple[str, ...]] = (*NORMS, FEATURES)
    maps: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        if self.stride <= 0:
            raise ValueError(f"stride, a share of eps, must be above 0, got {self.stride:g}")
        check_loss(self.loss)

    def init(self, task: Task) -> Ascent:
        x = task.start()
        logits, _, grad = task.ascent(x, self.loss)
        return Ascent(x, logits, grad)

    def step(self, task: Task, state: Ascent, k: int) -> Ascent:
        x = task.threat.step(state.x, state.grad, self.stride * float(task.threat.eps))
        return Ascent(task.threat.project(x, task.x), None, state.grad)
