"""BIM, the basic iterative method: PGD from the input itself (Kurakin, Goodfellow and Bengio 2017, 1607.02533)."""

from dataclasses import dataclass
from typing import ClassVar

from robust.attacks.families import BOUND
from robust.attacks.grammar.product import PRODUCT
from robust.attacks.losses import Loss
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1, check_loss
from robust.attacks.task import Task
from robust.attacks.words import STEPPED
from robust.attacks.zoo.pgd import PGD, PGDState


@ATTACKS.register("bim")
@dataclass(frozen=True, slots=True)
class BIM:
    """Take `steps` steps of `stride` eps along the ascent of the loss from x, each projected."""

    steps: int = 10
    stride: float = 0.25  # length of a step, as a share of eps
    loss: str | Loss = "ce"  # ce, margin, dlr or sice; of maps also segpgd, js, mask-ce, mask-ce-bal, mask-sph
    families: ClassVar[tuple[str, ...]] = STEPPED
    maps: ClassVar[dict[str, str]] = {"linf": "", "l2": "loss=margin", PRODUCT: BOUND}

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        if self.stride <= 0:
            raise ValueError(f"stride, a share of eps, must be above 0, got {self.stride:g}")
        check_loss(self.loss)

    def init(self, task: Task) -> PGDState:
        return self._pgd().init(task)

    def step(self, task: Task, state: PGDState, k: int) -> PGDState:
        return self._pgd().step(task, state, k)

    def _pgd(self) -> PGD:
        """Return the PGD that this is."""
        return PGD(self.steps, self.stride, start=0.0, loss=self.loss)
