"""What the preflight checks look at: a model, and a few of its samples."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from robust.attacks.engine import still
from robust.data.dataset import Dataset, Samples
from robust.evaluate import device_of

FEW = 256  # samples that a look, or a trial, is at: the first, which a seed has drawn


def few_of(samples: Samples) -> Samples:
    return samples.take(np.arange(min(FEW, len(samples))))


@dataclass(frozen=True)
class Look:
    """A model, a few of its samples, and what the data set declares."""

    module: nn.Module
    samples: Samples
    dataset: Dataset
    seed: int

    def logits(self, x: Tensor, seed: int = 0) -> Tensor:
        """The model's answers, (n, classes), without a gradient; what it draws at random it draws from the seed."""
        with still(self.module, seed), torch.no_grad():
            found: Tensor = self.module(x)
        return found

    @property
    def x(self) -> Tensor:
        """(n, *shape), on the model's device."""
        return torch.from_numpy(self.samples.x).to(device_of(self.module))
