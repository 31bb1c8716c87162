"""The gauntlet: what must be flagged, for one of the reasons that it names, and what must not be.

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
from robust.models.registry import ARCHITECTURES
from robust.train.factory import read_recipe
from robust.train.loop import fit
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
    mitigated: bool = True  # whether there is a mitigation

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


DEAD = "no-gradient zero-gradient"
ASTRAY = "shattered-gradient gradient-free-wins noise-wins transfer-wins unbounded-attack-fails"
DRAWS = "nondeterministic randomised"
GAUNTLET = [
    broken("saturated", "mlp", "saturated saturated-loss", lambda m: d.Scaled(m, 1000)),
    broken("cold-softmax", "mlp", "probabilities", lambda m: d.Cold(m, 0.01)),
    broken("binarised", "mlp", DEAD, lambda m: d.Before(m, d.Thermometer(32))),
    broken("rounded", "mlp", DEAD, lambda m: d.Before(m, d.Rounded(32))),
    broken("stepped-activations", "mlp", DEAD, lambda m: d.replaced(m, nn.ReLU, lambda _: d.Steps(0.1))),
    broken("k-wta", "mlp", ASTRAY, lambda m: d.replaced(m, nn.ReLU, lambda _: d.KWTA(0.3)), mitigated=False),
    broken("shattered", "mlp", ASTRAY, lambda m: d.Before(m, d.Ripple(0.001, 10.0))),
    broken("one-step-size", "mlp", ASTRAY, lambda m: d.Before(m, d.Ripple(0.05, 3.0))),
    broken("detached", "mlp", ASTRAY, lambda m: d.Detached(m, 1e-3)),
    broken("clipped", "mlp", DEAD, lambda m: d.Before(m, d.Clipped(1e-6))),
    broken("nan-gradient", "mlp", "nan-gradient", lambda m: d.Before(m, d.Rooted())),
    broken(
        "nan-off-grid", "mlp", "nan-gradient not-finite", lambda m: d.Before(m, d.NanOffGrid(16, 0.1)), mitigated=False
    ),
    broken("early-exit", "mlp", DEAD, lambda m: d.EarlyExit(m, 0.6)),
    broken("shaken", "mlp", DRAWS, lambda m: d.Before(m, d.Shaken((7, 8, 9), 0, 0.2))),
    broken("dropped", "mlp", DRAWS, lambda m: d.Before(m, d.Dropped(0.15))),
    broken(
        "batch-statistics",
        "wideresnet",
        "depends-on-batch wrong-mode",
        lambda m: d.replaced(m, nn.BatchNorm2d, d.BatchStatistics),
        mitigated=False,
    ),
    Broken("memorised", memorised(0.99), "mlp", frozenset(DEAD.split())),
]
VARIANTS = [
    broken("saturated", "cnn", "saturated saturated-loss", lambda m: d.Scaled(m, 300)),
    broken("cold-softmax", "lstm", "probabilities", lambda m: d.Cold(m, 0.02)),
    broken("binarised", "cnn", DEAD, lambda m: d.Before(m, d.Thermometer(20))),
    broken("rounded", "lstm", DEAD, lambda m: d.Before(m, d.Rounded(48))),
    broken("stepped-activations", "cnn", DEAD, lambda m: d.replaced(m, nn.ReLU, lambda _: d.Steps(0.05))),
    broken("k-wta", "cnn", ASTRAY, lambda m: d.replaced(m, nn.ReLU, lambda _: d.KWTA(0.2)), mitigated=False),
    broken("shattered", "lstm", ASTRAY, lambda m: d.Before(m, d.Ripple(0.003, 8.0))),
    broken("one-step-size", "cnn", ASTRAY, lambda m: d.Before(m, d.Ripple(0.05, 2.5))),
    broken("detached", "lstm", ASTRAY, lambda m: d.Detached(m, 1e-2)),
    broken("clipped", "cnn", DEAD, lambda m: d.Before(m, d.Clipped(1e-7))),
    broken("nan-gradient", "lstm", "nan-gradient", lambda m: d.Before(m, d.Rooted())),
    broken(
        "nan-off-grid", "cnn", "nan-gradient not-finite", lambda m: d.Before(m, d.NanOffGrid(16, 0.5)), mitigated=False
    ),
    broken("early-exit", "lstm", DEAD, lambda m: d.EarlyExit(m, 0.5)),
    broken("shaken", "lstm", DRAWS, lambda m: d.Before(m, d.Shaken((8,), 0, 0.3))),
    broken("dropped", "lstm", DRAWS, lambda m: d.Before(m, d.Dropped(0.2))),
    broken(
        "batch-statistics",
        "preactresnet",
        "depends-on-batch wrong-mode",
        lambda m: d.replaced(m, nn.BatchNorm2d, d.BatchStatistics),
        mitigated=False,
    ),
    Broken("memorised", memorised(0.95), "lstm", frozenset(DEAD.split())),
]

AT = "optimiser=adam:epochs="
HONEST = {
    "cnn-standard": base("cnn", "standard:epochs=12", width=8),
    "cnn-pgd-at": base("cnn", f"pgd-at:steps=5:{AT}15", width=8),
    "cnn-trades": base("cnn", f"trades:steps=5:{AT}15", width=8),
    "batch-norm-standard": base("wideresnet", "standard:epochs=6", depth=10, width=1),
    "batch-norm-fgsm-rs": base("wideresnet", "fgsm-rs:epochs=8", depth=10, width=1),
    "vit": base("vit", "standard:optimiser=adam:lr=0.003:epochs=20", width=24, depth=2, heads=2, patch=2),
    "lstm": base("lstm", "standard:optimiser=adam:lr=0.01:epochs=15", width=32),
    "mlp-pgd-at": base("mlp", f"pgd-at:steps=5:{AT}20", width=64),
    "very-small": base("mlp", "standard:epochs=20", width=8, depth=1),
}
HONEST_VARIANTS = {
    "cnn-standard": base("cnn", "standard:epochs=20:lr=0.05", seed=1, width=12),
    "cnn-fgsm-rs": base("cnn", f"fgsm-rs:{AT}20", seed=1, width=12),
    "cnn-pgd-at": base("cnn", f"pgd-at:steps=7:{AT}15", seed=1, width=12),
    "batch-norm-standard": base("preactresnet18", "standard:epochs=6", seed=1, width=4),
    "batch-norm-pgd-at": base("wideresnet", "pgd-at:steps=3:epochs=8", seed=1, depth=10, width=1),
    "vit": base("vit", "standard:optimiser=adam:lr=0.002:epochs=25", seed=1, width=32, depth=1, heads=2, patch=2),
    "lstm-pgd-at": base("lstm", "pgd-at:steps=3:optimiser=adam:lr=0.01:epochs=15", seed=1, width=24),
    "mlp-trades": base("mlp", f"trades:steps=5:{AT}20", seed=1, width=48, depth=3),
    "very-small": base("mlp", "standard:epochs=15:lr=0.2", seed=1, width=12, depth=1),
}
