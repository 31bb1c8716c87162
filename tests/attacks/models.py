"""Small models for the attack tests."""

import torch
from torch import Tensor, nn

from robust.attacks import Rng

DUAL = {"linf": 1, "l2": 2, "l1": torch.inf}  # the norm of the gradient that a norm of the input pairs with


class Linear(nn.Module):
    """Two classes with logits (0, <w, x> + b): what every attack can reach at most is known in closed form."""

    def __init__(self, features: int, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        draw = Rng.of(11, torch.arange(1)).normal(torch.zeros(1, features + 1, dtype=dtype))[0]
        self.w, self.b = nn.Parameter(draw[:-1]), nn.Parameter(draw[-1] / 10)

    def forward(self, x: Tensor) -> Tensor:
        z = x.flatten(1) @ self.w + self.b
        return torch.stack([torch.zeros_like(z), z], 1)

    def best_margin(self, x: Tensor, y: Tensor, norm: str, eps: float) -> Tensor:
        """max over the ball of z_other - z_y, (N,); the box inactive."""
        sign = 1 - 2 * y
        return sign * (self(x)[:, 1]) + eps * self.w.norm(DUAL[norm])


def network(features: int = 64, classes: int = 10, dtype: torch.dtype = torch.float64) -> nn.Module:
    """An untrained network with dropout and batch norm, so that its mode matters."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [nn.Linear(features, 40), nn.BatchNorm1d(40), nn.ReLU(), nn.Dropout(0.5), nn.Linear(40, classes)]
        return nn.Sequential(nn.Flatten(), *layers).to(dtype).eval()


def inputs(n: int = 50, shape: tuple[int, ...] = (1, 8, 8), dtype: torch.dtype = torch.float64) -> Tensor:
    return Rng.of(5, torch.arange(n)).uniform(torch.zeros(n, *shape, dtype=dtype))
