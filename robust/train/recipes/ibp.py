"""ibp, training by interval bounds, which a certificate can follow: Gowal et al. 2018 (1810.12715)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from robust.attacks.threats.lp import LpThreat
from robust.train.recipe import RECIPES, Selection
from robust.train.recipes._bounds import BoundRun, bound_logits, check_bounds, check_ramp


@RECIPES.register("ibp")
@dataclass(frozen=True, slots=True)
class IBP:
    """Cross-entropy on clean inputs, mixed with that of the worst logits within bounds by intervals.

    eps grows from 0 over the ramp, and the clean loss's share falls from 1 to kappa.

    Gradients are clipped at a norm of 1 unless `clip` says otherwise: without that the bounds' gradients end most
    trainings. The bounds are those of the deployed network, of batch norm's running statistics.
    """

    kappa: float = 0.2  # the share of the clean loss from the ramp's end on
    ramp_start: float = 0.05  # the share of the training after which eps grows
    ramp_end: float = 0.5  # the share after which it is whole
    selects: ClassVar[Selection] = "certified"
    plan: ClassVar[dict[str, float]] = {"clip": 1.0}

    def __post_init__(self) -> None:
        check_ramp(self)

    def check(self, module: nn.Module, x: Tensor, threat: LpThreat) -> None:
        check_bounds(module, x, threat)

    def begin(self, module: nn.Module) -> BoundRun:
        return BoundRun(module, self, lambda bounds, y, risen: bound_logits(bounds, y))
