"""Networks of benchmarks.compress, as files of a user's: a small student, and a defence that rounds to 4 bits."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from examples.digits import make

WEIGHTS = Path(__file__).parent.parent / "leaderboard" / "weights"
LEVELS = 15  # steps of 4 bits


def small() -> nn.Module:
    """Return an untrained student of a seventh of the parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 24, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(24 * 4 * 4, 48),
        nn.ReLU(),
        nn.Linear(48, 10),
    )


class Rounded(nn.Module):
    """A layer of activations that rounds to 4 bits over the largest of a sample; its gradient is 0, or straight."""

    def __init__(self, straight: bool) -> None:
        super().__init__()
        self.straight = straight

    def forward(self, x: Tensor) -> Tensor:
        step = x.detach().flatten(1).amax(1).clamp_min(1e-6).div(LEVELS).view(-1, *[1] * (x.dim() - 1))
        rounded = (x / step).round() * step
        return x + (rounded - x).detach() if self.straight else rounded


def rounded(name: str = "digits-pgd-at", straight: bool = False) -> nn.Module:
    """Return a published network with weights and activations of 4 bits."""
    net: Any = make()
    net.load_state_dict(load_file(WEIGHTS / f"{name}.safetensors"))
    with torch.no_grad():
        for layer in net:
            if isinstance(layer, nn.Linear | nn.Conv2d):
                step = layer.weight.abs().flatten(1).amax(1).div(7).view(-1, *[1] * (layer.weight.dim() - 1))
                layer.weight.copy_((layer.weight / step).round() * step)
    parts = [(layer, Rounded(straight)) if isinstance(layer, nn.ReLU) else (layer,) for layer in net]
    return nn.Sequential(*[layer for part in parts for layer in part])


def adaptive(name: str = "digits-pgd-at") -> nn.Module:
    """Return the same network, with a gradient that passes straight through each rounding."""
    return rounded(name, straight=True)
