"""The models that are attacked, small networks that pytest-robust trained, and their images."""

import tomllib
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from robust.attacks import LpThreat
from robust.attacks.registry import suggest
from robust.data.factory import open_data
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A network that suites are compared on, as networks.toml describes it."""

    name: str
    half: str  # "first", "aside", "third", "fourth", "fifth", or "chosen-on"
    arch: str
    data: str
    recipe: str
    threat: str  # the usual one of attacks, and of the training if `trained` names no other
    seed: int = 0
    quarter: str = ""  # the eps that leaves about a quarter
    trained: str = ""  # the threat model of the training
    weights: str = ""  # the file, below the root; by default that of the name in models/
    n: int = 100
    masked: bool = False  # whether its gradients are hidden on purpose, so that quick-1 may leave more

    @property
    def path(self) -> Path:
        return ROOT / (self.weights or f"benchmarks/models/{self.name}.safetensors")

    @property
    def threats(self) -> tuple[str, ...]:
        """Return the usual threat model, the one of half its eps, and the one that leaves a quarter."""
        usual = LpThreat.parse(self.threat)
        half = replace(usual, eps=usual.eps / 2)
        quarter = [str(LpThreat.parse(f"{usual.norm}:{self.quarter}"))] if self.quarter else []
        return str(usual), str(half), *quarter

    def subject(self, n: int, seed: int, *, held_out: bool = False) -> Subject:
        """Return the model with `n` test images, or with training images that no model here learnt from."""
        images = draw_images(n, seed, self.data, held_out=self.seed if held_out else None)
        return Subject.of(self.name, network(self.name), *images)


def read_cases(path: Path) -> tuple[Case, ...]:
    """Return the networks of a file, in its order."""
    return tuple(Case(name=name, **entry) for name, entry in tomllib.loads(path.read_text("utf-8")).items())


CASES = read_cases(Path(__file__).parent / "networks.toml")


def choose_cases(names: Sequence[str], parser: ArgumentParser) -> list[Case]:
    """Return the cases of these names, or of "half:first"; all without any. An unknown name ends the program."""
    known = {name for case in CASES for name in (case.name, f"half:{case.half}")}
    for name in names:
        if name not in known:
            parser.error(f"unknown network {suggest(name, sorted(known))}")
    return [case for case in CASES if not names or {case.name, f"half:{case.half}"} & {*names}]


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
    """Return the model of a case, in evaluation mode and with frozen parameters."""
    (case,) = (case for case in CASES if case.name == name)
    data = open_data(case.data, ROOT).complete()
    assert data.shape is not None
    assert data.classes is not None
    terms = Terms(data.shape, data.classes)
    model = load(ModelSpec.parse(str(case.path), ROOT), case.arch, ROOT, terms).module.eval().requires_grad_(False)
    return Masked(model, rounded=name == "rounded") if name in ("masked", "rounded") else model


@cache
def draw_images(
    n: int, seed: int, data: str = "fashion-mnist", *, held_out: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return (x, y) of `n` test images drawn by `seed`.

    Those by which attacks are chosen are `held_out`: training images that a training of that seed did not learn from.
    """
    dataset = open_data(data, ROOT).complete()
    if held_out is None:
        samples = dataset.load("test", n, seed)
    else:
        samples, _ = split_off_validation(dataset.load("train"), held_out)[1].draw(n, seed)
    return torch.from_numpy(samples.x), torch.from_numpy(samples.y)
