"""n-fgsm: one step from strong noise, without projection. de Jorge et al. 2022 (2202.01181)."""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar

from torch import Tensor

from robust.attacks.criteria.criterion import LabelKind
from robust.attacks.task import Task
from robust.attacks.threats.lp import LpThreat
from robust.train.recipe import ANY_LABELS, RECIPES, LossFunction, Selection


@RECIPES.register("n-fgsm")
@dataclass(frozen=True, slots=True)
class NFGSM:
    """Cross-entropy after noise from a ball of `noise` eps and a step of `stride` eps, clipped to the bounds alone.

    Projection onto the ball would weaken the step; without it and with noise above eps, the authors saw no collapse.
    """

    noise: float = 2.0  # radius of the noise, as a share of eps
    stride: float = 1.0  # length of the step, as a share of eps
    selects: ClassVar[Selection] = "robust"
    labels: ClassVar[tuple[LabelKind, ...]] = ANY_LABELS

    def __post_init__(self) -> None:
        for name in ("noise", "stride"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}, a share of eps, must be above 0, got {getattr(self, name):g}")

    def inputs(self, task: Task) -> Tensor:
        threat = task.threat
        wide = _wider(threat, self.noise, task.x)
        x = wide.sample(task.x, task.rng)
        _, _, grad = task.ascent(x, "ce")
        return threat.step(x, grad, self.stride * float(threat.eps)).clamp(threat.lo, threat.hi)

    def loss(self, task: Task, x: Tensor, criterion: LossFunction) -> Tensor:
        return criterion(task.model(x), task.y)


def _wider(threat: LpThreat, by: float, x: Tensor) -> LpThreat:
    """Return the threat with its radius times `by`, at most the largest radius that the bounds allow."""
    widest = LpThreat.widest(threat.norm, x, threat.lo, threat.hi)
    return replace(threat, eps=min(threat.eps * Fraction(by), widest.eps))
