"""The models that are attacked, and the pictures: two small Fashion-MNIST networks that pytest-robust trained."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from robust.data.dataset import DATA, Dataset
from robust.models.load import load
from robust.models.spec import ModelSpec
from robust.train.split import split_off_validation

ROOT = Path(__file__).parent.parent
MODELS = ("standard", "pgd-at")


@dataclass(frozen=True, slots=True)
class Subject:
    """A model, and those of `n` pictures that it answers right: the others need no attack."""

    name: str
    model: nn.Module  # takes (N, *features) in [0, 1]
    x: Tensor  # (right, *features)
    y: Tensor  # (right,) int64
    n: int

    @classmethod
    def of(cls, name: str, model: nn.Module, x: Tensor, y: Tensor) -> "Subject":
        with torch.no_grad():
            right = model(x).argmax(1) == y
        return cls(name, model, x[right], y[right], len(x))


@cache
def network(name: str) -> nn.Module:
    """One of MODELS, in evaluation mode and with frozen parameters."""
    spec = ModelSpec.parse(f"benchmarks/models/{name}.safetensors", ROOT)
    return load(spec, "examples/fashion_mnist.py:make", (1, 28, 28), 10, ROOT).module.eval().requires_grad_(False)


@cache
def pictures(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """(x, y) of `n` test pictures drawn by `seed`."""
    samples = _fashion_mnist().load("test", n, seed)
    return torch.from_numpy(samples.x), torch.from_numpy(samples.y)


def held_out(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """(x, y) of `n` of the 1,000 training pictures that no model here learnt from: what attacks are chosen by."""
    samples, _ = split_off_validation(_fashion_mnist().load("train"), 0)[1].draw(n, seed)
    return torch.from_numpy(samples.x), torch.from_numpy(samples.y)


def _fashion_mnist() -> Dataset:
    data = DATA.get("fashion-mnist")
    assert isinstance(data, Dataset)
    return data
