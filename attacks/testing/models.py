"""Small models and fixed inputs for the checks."""

import torch
from torch import Tensor, nn

from robust.attacks.rng import Rng
from robust.attacks.task import Counted, Model


def network(features: int = 64, classes: int = 10, dtype: torch.dtype = torch.float64) -> nn.Module:
    """Make an untrained network with dropout and batch norm, whose mode matters."""
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(0)
        layers = [nn.Linear(features, 40), nn.BatchNorm1d(40), nn.ReLU(), nn.Dropout(0.5), nn.Linear(40, classes)]
        return nn.Sequential(nn.Flatten(), *layers).to(dtype).eval()


def straight(steepness: float, offset: float, features: int = 64) -> nn.Module:
    """Make a linear model with logits (offset, steepness * (sum of the features - half their number)), in float64."""
    layer = nn.Linear(features, 2).double().requires_grad_(False)
    layer.weight[0], layer.weight[1] = 0.0, steepness
    layer.bias[0], layer.bias[1] = offset, -steepness * features / 2
    return nn.Sequential(nn.Flatten(), layer)


def inputs(n: int = 50, shape: tuple[int, ...] = (1, 8, 8), dtype: torch.dtype = torch.float64) -> Tensor:
    """Draw inputs, (n, *shape), uniform in [0, 1), the same in each call."""
    return Rng.of(5, torch.arange(n)).uniform(torch.zeros(n, *shape, dtype=dtype))


class Watched(nn.Module):
    """A model that records its queries: how many samples went forward and backward, and their range of values."""

    def __init__(self, inner: Model) -> None:
        super().__init__()
        self.counted = Counted(inner)
        self.values: list[Tensor] = []  # the smallest and the largest of each call

    @property
    def forwards(self) -> int:
        """Return the number of samples that went forward."""
        return self.counted.forwards

    @property
    def backwards(self) -> int:
        """Return the number of samples that went backward."""
        return self.counted.backwards

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, and record the query."""
        self.values += [x.detach().amin(), x.detach().amax()]
        logits: Tensor = self.counted(x)
        return logits
