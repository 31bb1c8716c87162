"""The passes through the model that all checks of a row may take together, in proportion to those of its attacks.

A pass is that of one sample; a backward pass counts as two. Where the passes do not suffice, each check looks at fewer
samples.
"""

import math

import torch
from torch import Tensor

from robust.attacks.task import Model
from robust.trust.pass_share import CHECKS, GRADIENT_PASSES

MIN_SAMPLES = 4  # of each check: it is significant what all of them show


class PassBudget:
    """The passes that may be taken, those that were, and the share of its samples that each check looks at."""

    def __init__(self, total: float = math.inf, spent: float = 0.0) -> None:
        self.total, self.spent, self.scale = total, spent, 1.0
        self._kept = (1 - CHECKS) * total if math.isfinite(total) else 0.0  # for mitigations

    @property
    def left(self) -> float:
        """The passes that are left; 0 once all are spent."""
        return max(0.0, self.total - self.spent - self._kept)

    def release(self) -> None:
        """Leave to the mitigations all that is left: the checks are over."""
        self._kept, self.scale = 0.0, 1.0

    def plan(self, passes: float) -> None:
        """Set the scale such that checks which would take so many passes fit into what is left."""
        self.scale = min(1.0, self.left / passes) if passes else 1.0

    def few(self, n: int, least: int = MIN_SAMPLES) -> int:
        """Return how many samples a check looks at that would look at n."""
        return n if self.scale >= 1 else min(n, max(least, round(self.scale * n)))

    def cut(self, steps: int, n: int, least: int) -> int:
        """Return how many steps it takes at each, up to half of them, where `few` leaves too many of n samples."""
        kept = self.scale * n / max(1, self.few(n, least))
        return max(math.ceil(steps / 2), round(steps * min(1.0, kept)))

    def add(self, passes: float) -> None:
        """Count passes that were taken."""
        self.spent += passes

    def __str__(self) -> str:
        return f"at most {self.total:,.0f} passes"

    def counting(self, model: Model) -> Model:
        """Return the model with its passes counted."""

        def answer(x: Tensor) -> Tensor:
            self.add(len(x) * (GRADIENT_PASSES if x.requires_grad and torch.is_grad_enabled() else 1))
            return model(x)

        return answer
