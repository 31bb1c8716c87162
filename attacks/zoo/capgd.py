"""CAPGD, auto-PGD for tables whose rows keep constraints: Simonetto et al. 2024 (2406.00775)."""

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

from torch import Tensor

from robust.attacks.losses import Loss
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1, check_loss
from robust.attacks.task import Task
from robust.attacks.threats.features import FeaturesThreat
from robust.attacks.words import FEATURES
from robust.attacks.zoo.apgd import APGD, APGDState


class CAPGDState(NamedTuple):
    """The state: the repaired row, which is judged, and the ascent among rows that are not whole yet."""

    x: Tensor
    logits: None
    inner: APGDState


@ATTACKS.register("capgd")
@dataclass(frozen=True, slots=True)
class CAPGD:
    """Ascend as APGD does among rows that keep limits and relations, and repair each iterate: that row is judged.

    Between two steps integers may be fractions and categories mixed, so that short steps lead somewhere; the paper
    repairs them in place. The last row is the one that the best row's gradient points to, found exactly, as in
    frankwolfe. One query for the gradient and one for the repaired row a step.
    """

    steps: int = 50
    loss: str | Loss = "margin"  # ce, margin, dlr or sice
    rho: float = 0.75  # share of rising steps in a window below which the step size is halved
    families: ClassVar[tuple[str, ...]] = (FEATURES,)

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        check_loss(self.loss)
        self._ascent()  # raises an error if the options are wrong

    def _ascent(self) -> APGD:
        return APGD(self.steps, self.loss, self.rho)

    def init(self, task: Task) -> CAPGDState:
        return self._judged(task, self._ascent().init(_relax(task)))

    def step(self, task: Task, state: CAPGDState, k: int) -> CAPGDState:
        if k + 1 == self.steps:
            assert isinstance(task.threat, FeaturesThreat)
            return CAPGDState(task.threat.corner(task.x, state.inner.best_grad), None, state.inner)
        return self._judged(task, self._ascent().step(_relax(task), state.inner, k))

    def _judged(self, task: Task, inner: APGDState) -> CAPGDState:
        return CAPGDState(task.threat.project(inner.x, task.x), None, inner)


def _relax(task: Task) -> Task:
    assert isinstance(task.threat, FeaturesThreat)
    return replace(task, threat=task.threat.relax())
