"""ema: an exponential mean of the weights, as Gowal et al. 2020 (2010.03593) use it for adversarial training."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from robust.train.average import Average
from robust.train.recipe import WRAPPERS


@WRAPPERS.register("ema")
@dataclass(frozen=True, slots=True)
class EMA:
    """An exponential mean, which each step moves by a share of 1 - ema_decay, the first steps by more."""

    ema_decay: float = 0.995

    def __post_init__(self) -> None:
        if not 0 < self.ema_decay < 1:
            raise ValueError(f"ema_decay must be between 0 and 1, got {self.ema_decay:g}")

    def begin(self, module: nn.Module, steps: int) -> Average:
        del steps
        return Average(module, mean=self._move)

    def _move(self, means: Any, weights: Any, n: Tensor | int) -> None:
        decay = min(self.ema_decay, (1 + float(n)) / (10 + float(n)))
        torch._foreach_lerp_(means, weights, 1 - decay)
