"""Rescaled: an architecture of the zoo whose answers are values, in the units of the labels that it learns from."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class Rescaled(nn.Module):
    """`inner` with its answers multiplied by the labels' deviation, and the labels' mean added.

    Both are buffers, 1 and 0 until `fit_scale` sets them, so that weights are kept with them. A network that had to
    reach the units of the labels by its last layer would learn little else.
    """

    std: Tensor  # (k,)
    mean: Tensor  # (k,)

    def __init__(self, inner: nn.Module, width: int) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("std", torch.ones(width))
        self.register_buffer("mean", torch.zeros(width))

    def forward(self, *parts: Tensor, **named: Tensor) -> Tensor:
        """Return values, (n, k), for an input, or for several by position or by name."""
        answer: Tensor = self.inner(*parts, **named)
        return answer * self.std + self.mean


def fit_scale(module: nn.Module, y: NDArray[np.float32]) -> None:
    """Set the scale of the Rescaled parts of a module from labels, (n, k); NaN does not count."""
    mean, std = (torch.from_numpy(part) for part in measure_scale(y))
    for part in module.modules():
        if isinstance(part, Rescaled):
            part.mean.copy_(mean)
            part.std.copy_(std)


def measure_scale(y: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (mean, deviation) of labels (n, k), each (k,) and the deviation 1 where all are equal."""
    mean, std = np.nanmean(y, axis=0), np.nanstd(y, axis=0)
    return mean.astype(np.float32), np.where(std > 0, std, 1).astype(np.float32)
