"""The learning rate from step to step."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR

if TYPE_CHECKING:
    from robust.train.plan import Plan

# The share of the peak at a share t of the training.
SHAPES: dict[str, Callable[[float], float]] = {
    "cyclic": lambda t: min(t / 0.4, (1 - t) / 0.6),  # as the code of 2001.03994
    "cosine": lambda t: (1 + math.cos(math.pi * t)) / 2,
    "piecewise": lambda t: 1.0 if t < 0.5 else 0.1 if t < 0.75 else 0.01,  # as Rice et al. 2020 (2002.11569)
    "constant": lambda t: 1.0,
}


def schedule(optimiser: Optimizer, plan: "Plan", steps: int) -> Any:
    """A scheduler of torch, to be stepped after each of `steps` steps."""
    if plan.schedule == "one-cycle":
        assert plan.lr is not None
        return OneCycleLR(optimiser, plan.lr, steps, anneal_strategy="linear", cycle_momentum=False)
    shape, rise = SHAPES[plan.schedule], max(plan.warmup * steps // plan.epochs, 1)
    return LambdaLR(optimiser, lambda step: min((step + 1) / rise, 1.0) * shape(min((step + 0.5) / steps, 1.0)))
