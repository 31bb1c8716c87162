"""The gauntlet: what must be flagged, with the reasons of which one must be given, and what must not be.

The variants have other parameters and another base. They are kept aside: no threshold is chosen by what they show.
The threat model is wide enough for every base to be defenceless, so that all that a defence gains is pretended.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn

from robust.attacks import LpThreat
from robust.data.dataset import DATA, Samples
from robust.models.catalogue import ARCHITECTURES
from robust.train.loop import fit
from robust.train.word import read_recipe
from tests.trust import defences as d

THREAT = LpThreat.parse("linf:0.2")
DIGITS = DATA.get("digits")
N = 200

Defend = Callable[[nn.Module, Samples], nn.Module]


@dataclass(frozen=True)
class Base:
    """A small network and how it was trained."""

    architecture: str
    options: tuple[tuple[str, int], ...]
    recipe: str
    seed: int = 0


@dataclass(frozen=True)
class Broken:
    """A defence of a base."""

    name: str
    defend: Defend
    base: str
    reasons: frozenset[str]  # one of them must be among what the checks find
    remedied: bool = True  # whether there is a remedy

    def __str__(self) -> str:
        return self.name


def base(architecture: str, recipe: str, seed: int = 0, **options: int) -> Base:
    return Base(architecture, tuple(options.items()), recipe, seed)


PLAIN = "standard:optimiser=adam:weight_decay=0:epochs="
BASES = {
    "mlp": base("mlp", PLAIN + "20", width=64, depth=3),
    "wideresnet": base("wideresnet", "standard:epochs=6", depth=10, width=1),
    "cnn": base("cnn", PLAIN + "30", seed=1, width=8),
    "lstm": base("lstm", PLAIN + "20:lr=0.01", seed=1, width=32),
    "preactresnet": base("preactresnet18", "standard:epochs=6", seed=1, width=4),
}


@cache
def trained(which: Base) -> nn.Module:
    """The network, in evaluation mode: the same for the same base."""
    with torch.random.fork_rng():
        torch.manual_seed(which.seed)
        module = ARCHITECTURES.get(which.architecture)(DIGITS.shape, DIGITS.classes, **dict(which.options))
        found = fit(module, read_recipe(which.recipe), DIGITS.load("train"), THREAT, seed=which.seed)
    module.load_state_dict(found.weights)
    return module.eval()


@cache
def samples() -> Samples:
    return DIGITS.load("test", N)


def broken(name: str, base: str, reasons: str, defend: Callable[[nn.Module], nn.Module], **more: bool) -> Broken:
    return Broken(name, lambda module, _: defend(module), base, frozenset(reasons.split()), **more)


def memorised(share: float) -> Defend:
    """All samples are known, and what is so near to one of them, as a share of eps."""

    def defend(module: nn.Module, known: Samples) -> nn.Module:
        radius = share * float(THREAT.eps)
        return d.Memorised(module, torch.from_numpy(known.x), torch.from_numpy(known.y), radius)

    return defend


DEAD = "zero-gradient gradient-free-wins transfer-wins noise-wins"
DRAWS = "nondeterministic"
GAUNTLET = [
    broken("saturated", "mlp", f"saturated {DEAD}", lambda m: d.Scaled(m, 1000)),
    broken("cold-softmax", "mlp", "probabilities", lambda m: d.Cold(m, 0.01)),
    broken("binarised", "mlp", DEAD, lambda m: d.Before(m, d.Thermometer(32))),
    broken("rounded", "mlp", DEAD, lambda m: d.Before(m, d.Rounded(32))),
    broken("stepped-activations", "mlp", DEAD, lambda m: d.replaced(m, nn.ReLU, lambda _: d.Steps(0.1))),
    broken(
        "k-wta", "mlp", "shattered-gradient", lambda m: d.replaced(m, nn.ReLU, lambda _: d.KWTA(0.3)), remedied=False
    ),
    broken("shattered", "mlp", "shattered-gradient gradient-free-wins", lambda m: d.Before(m, d.Ripple(0.001, 10.0))),
    broken("one-step-size", "mlp", "gradient-free-wins noise-wins", lambda m: d.Before(m, d.Ripple(0.05, 3.0))),
    broken("detached", "mlp", "gradient-free-wins", lambda m: d.Detached(m, 1e-3)),
    broken("clipped", "mlp", DEAD, lambda m: d.Before(m, d.Clipped(1e-6))),
    broken("nan-gradient", "mlp", "nan-gradient", lambda m: d.Before(m, d.Rooted())),
    broken("nan-off-grid", "mlp", "not-finite", lambda m: d.Before(m, d.NanOffGrid(16, 0.1)), remedied=False),
    broken("early-exit", "mlp", DEAD, lambda m: d.EarlyExit(m, 0.6)),
    broken("shaken", "mlp", DRAWS, lambda m: d.Before(m, d.Shaken((7, 8, 9), 0, 0.1))),
    broken("dropped", "mlp", DRAWS, lambda m: d.Before(m, d.Dropped(0.1))),
    broken(
        "batch-statistics",
        "wideresnet",
        "depends-on-batch",
        lambda m: d.replaced(m, nn.BatchNorm2d, d.BatchStatistics),
        remedied=False,
    ),
    Broken("memorised", memorised(0.99), "mlp", frozenset(DEAD.split())),
]
VARIANTS = [
    broken("saturated", "cnn", f"saturated {DEAD}", lambda m: d.Scaled(m, 300)),
    broken("cold-softmax", "lstm", "probabilities", lambda m: d.Cold(m, 0.02)),
    broken("binarised", "cnn", DEAD, lambda m: d.Before(m, d.Thermometer(20))),
    broken("rounded", "lstm", DEAD, lambda m: d.Before(m, d.Rounded(48))),
    broken("stepped-activations", "cnn", DEAD, lambda m: d.replaced(m, nn.ReLU, lambda _: d.Steps(0.05))),
    broken(
        "k-wta", "cnn", "shattered-gradient", lambda m: d.replaced(m, nn.ReLU, lambda _: d.KWTA(0.2)), remedied=False
    ),
    broken("shattered", "lstm", "shattered-gradient gradient-free-wins", lambda m: d.Before(m, d.Ripple(0.003, 8.0))),
    broken("one-step-size", "cnn", "gradient-free-wins noise-wins", lambda m: d.Before(m, d.Ripple(0.05, 2.5))),
    broken("detached", "lstm", "gradient-free-wins", lambda m: d.Detached(m, 1e-2)),
    broken("clipped", "cnn", DEAD, lambda m: d.Before(m, d.Clipped(1e-7))),
    broken("nan-gradient", "lstm", "nan-gradient", lambda m: d.Before(m, d.Rooted())),
    broken("nan-off-grid", "cnn", "not-finite", lambda m: d.Before(m, d.NanOffGrid(16, 0.5)), remedied=False),
    broken("early-exit", "lstm", DEAD, lambda m: d.EarlyExit(m, 0.5)),
    broken("shaken", "lstm", DRAWS, lambda m: d.Before(m, d.Shaken((8,), 0, 0.15))),
    broken("dropped", "lstm", DRAWS, lambda m: d.Before(m, d.Dropped(0.08))),
    broken(
        "batch-statistics",
        "preactresnet",
        "depends-on-batch",
        lambda m: d.replaced(m, nn.BatchNorm2d, d.BatchStatistics),
        remedied=False,
    ),
    Broken("memorised", memorised(0.95), "lstm", frozenset(DEAD.split())),
]
