"""CAPGD, auto-PGD for tables whose rows keep constraints: Simonetto et al. 2024 (2406.00775)."""

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, cast

from torch import Tensor

from robust.attacks.grammar.features import FEATURES
from robust.attacks.losses import Loss
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1, check_loss
from robust.attacks.task import Task
from robust.attacks.threats.features import of_table
from robust.attacks.threats.lp import LpThreat
from robust.attacks.zoo.apgd import APGD, APGDState

CORNER = 4  # steps from one row that a gradient points to, to the next


class CAPGDState(NamedTuple):
    """The state: the repaired row, which is judged, and the ascent among rows that are not whole yet."""

    x: Tensor
    logits: Tensor | None
    inner: APGDState


@ATTACKS.register("capgd")
@dataclass(frozen=True, slots=True)
class CAPGD:
    """Ascend as APGD does, and repair each iterate: the repaired row is judged.

    In the first half of the steps, from the clean row, integers may be fractions and categories mixed between two
    steps, so that short ones lead somewhere; the second half repairs in place, as the paper does, from a random row.
    Every fourth row, and the last, is the one that the gradient points to, found exactly, as in frankwolfe.
    """

    steps: int = 50
    loss: str | Loss = "margin"  # ce, margin, dlr or sice; of maps also segpgd, js, mask-ce, mask-ce-bal, mask-sph
    rho: float = 0.75  # share of rising steps in a window below which the step size is halved
    families: ClassVar[tuple[str, ...]] = (FEATURES,)

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        check_loss(self.loss)
        if not 0 < self.rho < 1:
            raise ValueError(f"rho must be between 0 and 1, got {self.rho:g}")

    def _ascent(self, k: int = 0) -> APGD:
        """Return the ascent of step k: one from the clean row for half of the steps, then one from a random one."""
        half = self.steps // 2
        return APGD(max(1, half if k < half else self.steps - half), self.loss, self.rho)

    def init(self, task: Task) -> CAPGDState:
        return self._judged(task, self._ascent().init(self._enter(task, 0)), 0)

    def step(self, task: Task, state: CAPGDState, k: int) -> CAPGDState:
        half, last, entered = self.steps // 2, k + 1 == self.steps, self._enter(task, k)
        if k == half and half:
            return self._judged(task, self._ascent(k).init(entered), k)
        inner = self._ascent(k).step(entered, state.inner, k if k < half else k - half)
        if last or k % CORNER == 0:
            return CAPGDState(
                of_table(task.threat).corner(task.x, inner.best_grad if last else inner.grad), None, inner
            )
        return self._judged(task, inner, k)

    def _enter(self, task: Task, k: int) -> Task:
        """Return the task of step k's ascent: at first among rows that are not whole yet, from the clean one."""
        relaxed = cast(LpThreat, of_table(task.threat).relax())
        return replace(task, threat=relaxed, origin=task.x) if k < self.steps // 2 else task

    def _judged(self, task: Task, inner: APGDState, k: int) -> CAPGDState:
        """Return the state after step k: its iterate is repaired already in the second half."""
        if k < self.steps // 2:
            return CAPGDState(task.threat.project(inner.x, task.x), None, inner)
        return CAPGDState(inner.x, inner.logits, inner)
