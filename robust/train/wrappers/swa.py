"""swa: the mean of the weights of the last part of training. Izmailov et al. 2018 (1803.05407)."""

from dataclasses import dataclass

from torch import nn

from robust.train.average import Average
from robust.train.recipe import WRAPPERS


@WRAPPERS.register("swa")
@dataclass(frozen=True, slots=True)
class SWA:
    """A plain mean over all steps from `swa_start` on; batch norm's statistics are estimated again."""

    swa_start: float = 0.75  # the share of the steps after which the mean begins

    def __post_init__(self) -> None:
        if not 0 <= self.swa_start < 1:
            raise ValueError(f"swa_start, a share of the training, must be from 0 to below 1, got {self.swa_start:g}")

    def begin(self, module: nn.Module, steps: int) -> Average:
        return Average(module, start=int(self.swa_start * steps), restate=True)
