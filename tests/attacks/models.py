"""Small models for the attack tests."""

import torch
from torch import Tensor, nn

from robust.attacks import Rng
from robust.attacks.testing.models import inputs as inputs
from robust.attacks.testing.models import network as network

DUAL = {"linf": 1, "l2": 2, "l1": torch.inf}  # the norm of the gradient that a norm of the input pairs with


class Linear(nn.Module):
    """A linear model with logits (0, <w, x> + b), for which the optimum of every attack is known in closed form.

    The `others` are classes that never win, as losses that look at more than two need them.
    """

    def __init__(self, features: int, dtype: torch.dtype = torch.float64, others: int = 0) -> None:
        super().__init__()
        self.others = others
        draw = Rng.of(11, torch.arange(1)).normal(torch.zeros(1, features + 1, dtype=dtype))[0]
        self.w, self.b = nn.Parameter(draw[:-1]), nn.Parameter(draw[-1] / 10)

    def forward(self, x: Tensor) -> Tensor:
        z = x.flatten(1) @ self.w + self.b
        return torch.stack([torch.zeros_like(z), z, *[torch.full_like(z, -10 - c) for c in range(self.others)]], 1)

    def best_margin(self, x: Tensor, y: Tensor, norm: str, eps: float) -> Tensor:
        """Return max over the ball of z_other - z_y, (N,); the box is inactive."""
        sign = 1 - 2 * y
        return sign * (self(x)[:, 1]) + eps * self.w.norm(DUAL[norm])


class Affine(nn.Module):
    """A model with logits affine in x, so that each class has one best direction."""

    def __init__(self, classes: int, features: int = 12) -> None:
        super().__init__()
        draw = Rng.of(3, torch.arange(classes)).normal(torch.zeros(classes, features, dtype=torch.float64))
        self.weight = nn.Parameter(draw)

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight.T

    def best_margins(self, x: Tensor, y: Tensor, norm: str, eps: float) -> Tensor:
        """Return max over the ball of z_c - z_y, (N, classes), -inf for the label; the box is inactive."""
        gap, steep = self._boundaries(x, y, norm)
        return (gap + eps * steep).scatter(1, y[:, None], -torch.inf)

    def distance(self, x: Tensor, norm: str) -> Tensor:
        """Return the distance to the nearest boundary to another class, (N,)."""
        y = self(x).argmax(1)
        gap, steep = self._boundaries(x, y, norm)
        return (-gap / steep).scatter(1, y[:, None], torch.inf).amin(1)

    def _boundaries(self, x: Tensor, y: Tensor, norm: str) -> tuple[Tensor, Tensor]:
        """Return z_c - z_y, and how much of it a step of length 1 can gain, each (N, classes)."""
        z = self(x)
        return z - z.gather(1, y[:, None]), (self.weight[None] - self.weight[y][:, None]).norm(DUAL[norm], dim=2)
