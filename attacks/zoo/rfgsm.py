"""R+FGSM: a random step, then FGSM with what is left of eps (Tramer et al. 2018, 1705.07204)."""

from dataclasses import dataclass
from typing import ClassVar

from robust.attacks.engine import Ascent
from robust.attacks.grammar.features import FEATURES
from robust.attacks.grammar.norms import NORMS
from robust.attacks.losses import Loss
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_loss
from robust.attacks.task import Task


@ATTACKS.register("rfgsm")
@dataclass(frozen=True, slots=True)
class RFGSM:
    """Take a random step of `start` eps, for linf to a corner, and one of the rest of eps along the ascent."""

    start: float = 0.5  # the random step, as a share of eps
    loss: str | Loss = "ce"  # ce, margin, dlr or sice
    steps: ClassVar[int] = 1
    families: ClassVar[tuple[str, ...]] = (*NORMS, FEATURES)
    maps: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        if not 0 < self.start < 1:
            raise ValueError(f"start, a share of eps, must be between 0 and 1, got {self.start:g}; use fgsm or noise")
        check_loss(self.loss)

    def init(self, task: Task) -> Ascent:
        length = self.start * float(task.threat.eps)
        x = task.threat.project(task.threat.step(task.x, task.rng.normal(task.x), length), task.x)
        logits, _, grad = task.ascent(x, self.loss)
        return Ascent(x, logits, grad)

    def step(self, task: Task, state: Ascent, k: int) -> Ascent:
        x = task.threat.step(state.x, state.grad, (1 - self.start) * float(task.threat.eps))
        return Ascent(task.threat.project(x, task.x), None, state.grad)
