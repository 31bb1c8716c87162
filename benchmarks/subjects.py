"""The models that are attacked, small networks that pytest-robust trained, and their test images."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from robust.data.dataset import DATA, Dataset
from robust.models.format import Terms
from robust.models.load import load
from robust.models.spec import ModelSpec
from robust.train.split import split_off_validation

ROOT = Path(__file__).parent.parent
MODELS = ("standard", "pgd-at")  # of the references
LEVELS, SHARPER = 16, 1000.0  # of the masked models


@dataclass(frozen=True, slots=True)
class Subject:
    """A model, and those of `n` images that it answers right; the others need no attack."""

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


@dataclass(frozen=True, slots=True)
class Case:
    """A model that suites are compared on, and the threat model."""

    name: str
    threat: str

    @property
    def data(self) -> str:
        return "digits" if self.name.startswith("digits") else "fashion-mnist"

    def subject(self, n: int, seed: int, *, held_out: bool = False) -> Subject:
        """Return the model with `n` test images, or with training images that no model here learnt from."""
        return Subject.of(self.name, network(self.name), *draw_images(n, seed, self.data, held_out=held_out))


CASES = (
    *(Case(name, "linf:0.1") for name in ("standard", "fgsm-rs", "pgd-at", "trades")),
    *(Case(name, "l2:1.5") for name in ("pgd-at-l2", "trades-l2")),
    *(Case(name, "linf:0.15") for name in ("digits-standard", "digits-pgd-at")),
    Case("masked", "linf:0.1"),
    Case("rounded", "linf:0.1"),
)


class Masked(nn.Module):
    """A model with saturated answers, whose cross-entropy and its gradient are 0; `rounded` makes every gradient 0."""

    def __init__(self, network: nn.Module, *, rounded: bool) -> None:
        super().__init__()
        self.network = network
        self.rounded = rounded

    def forward(self, x: Tensor) -> Tensor:
        x = (x * (LEVELS - 1)).round() / (LEVELS - 1) if self.rounded else x
        logits: Tensor = SHARPER * self.network(x)
        return logits


@cache
def network(name: str) -> nn.Module:
    """Return a model of MODELS or CASES, in evaluation mode and with frozen parameters."""
    if name in ("masked", "rounded"):
        return Masked(network("standard"), rounded=name == "rounded")
    spec, data = ModelSpec.parse(f"benchmarks/models/{name}.safetensors", ROOT), Case(name, "").data
    arch, shape = f"examples/{data.replace('-', '_')}.py:make", {"digits": (1, 8, 8)}.get(data, (1, 28, 28))
    return load(spec, arch, ROOT, Terms(shape, 10)).module.eval().requires_grad_(False)


@cache
def draw_images(n: int, seed: int, name: str = "fashion-mnist", *, held_out: bool = False) -> tuple[Tensor, Tensor]:
    """Return (x, y) of `n` test images drawn by `seed`, or of training images that no model here learnt from.

    The training images are for choosing attacks.
    """
    data = DATA.get(name)
    assert isinstance(data, Dataset)
    if held_out:
        samples, _ = split_off_validation(data.load("train"), 0)[1].draw(n, seed)
    else:
        samples = data.load("test", n, seed)
    return torch.from_numpy(samples.x), torch.from_numpy(samples.y)
