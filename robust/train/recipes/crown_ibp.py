"""crown-ibp, bounds by lines back from the logits, with interval bounds inside: Zhang et al. 2020 (1906.06316)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from robust.attacks.spec import check_at_least_1
from robust.attacks.threats.lp import LpThreat
from robust.certification.crown import Bounds
from robust.train.recipe import RECIPES, Selection
from robust.train.recipes._bounds import BoundRun, bound_logits, bound_rivals, check_bounds, check_ramp


@RECIPES.register("crown-ibp")
@dataclass(frozen=True, slots=True)
class CrownIBP:
    """Train as ibp does, with worst logits that begin as those of lines and become those of intervals over the ramp.

    Lines are drawn only for the rivals with the largest logits by intervals, which saves most of their cost. Gradients
    are clipped as with ibp.
    """

    rivals: int = 2  # how many, of each sample
    kappa: float = 0.2  # the share of the clean loss from the ramp's end on
    ramp_start: float = 0.05  # the share of the training after which eps grows
    ramp_end: float = 0.5  # the share after which it is whole, and the bounds are those of intervals
    selects: ClassVar[Selection] = "certified"
    plan: ClassVar[dict[str, float]] = {"clip": 1.0}

    def __post_init__(self) -> None:
        check_at_least_1("rivals", self.rivals)
        check_ramp(self)

    def check(self, module: nn.Module, x: Tensor, threat: LpThreat) -> None:
        check_bounds(module, x, threat)

    def begin(self, module: nn.Module) -> BoundRun:
        return BoundRun(module, self, self._worst)

    def _worst(self, bounds: Bounds, y: Tensor, risen: float) -> Tensor:
        by_intervals = bound_logits(bounds, y)
        if risen == 1:
            return by_intervals
        return bound_rivals(bounds, y, by_intervals, self.rivals).lerp(by_intervals, risen)
