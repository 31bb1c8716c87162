"""The gauntlet: defences that must be flagged, each for one of its reasons, and sound models that must not be.

The variants have other parameters and another base. They are held out: no threshold was tuned on them. The ball is so
large that no base is robust, so that all apparent robustness of a defence is false.
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
class Defence:
    """A broken defence of a base."""

    name: str
    defend: Defend
    base: str
    reasons: frozenset[str]  # names of findings, one of which must be among those of the checks
    mitigated: bool = True  # a mitigation exists

    def __str__(self) -> str:
        return self.name


def make_base(architecture: str, recipe: str, seed: int = 0, **options: int) -> Base:
    return Base(architecture, tuple(options.items()), recipe, seed)


PLAIN = "standard:optimiser=adam:weight_decay=0:epochs="
BASES = {
    "mlp": make_base("mlp", PLAIN + "20", width=64, depth=3),
    "wideresnet": make_base("wideresnet", "standard:epochs=6", depth=10, width=1),
    "cnn": make_base("cnn", PLAIN + "30", seed=1, width=8),
    "lstm": make_base("lstm", PLAIN + "20:lr=0.01", seed=1, width=32),
    "preactresnet": make_base("preactresnet18", "standard:epochs=6", seed=1, width=4),
}


@cache
def train(which: Base) -> nn.Module:
    """Train the network of a base once, and return it in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(which.seed)
        module = ARCHITECTURES.get(which.architecture)(DIGITS.shape, DIGITS.classes, **dict(which.options))
        training = fit(module, read_recipe(which.recipe), DIGITS.load("train"), THREAT, seed=which.seed)
    module.load_state_dict(training.weights)
    return module.eval()


@cache
def samples() -> Samples:
    return DIGITS.load("test", N)


def make_defence(name: str, base: str, reasons: str, defend: Callable[[nn.Module], nn.Module], **more: bool) -> Defence:
    return Defence(name, lambda module, _: defend(module), base, frozenset(reasons.split()), **more)


def memorise(share: float) -> Defend:
    """Make a defence that knows the samples, and all inputs near them; `share` of eps is near."""

    def defend(module: nn.Module, samples: Samples) -> nn.Module:
        radius = share * float(THREAT.eps)
        return d.Memorised(module, torch.from_numpy(samples.x), torch.from_numpy(samples.y), radius)

    return defend


NO_GRADIENT = "no-gradient zero-gradient"
MISLEADING = "shattered-gradient gradient-free-wins noise-wins transfer-wins unbounded-attack-fails"
RANDOM = "nondeterministic randomised"
GAUNTLET = [
    make_defence("saturated", "mlp", "saturated saturated-loss", lambda m: d.Scaled(m, 1000)),
    make_defence("cold-softmax", "mlp", "probabilities", lambda m: d.Cold(m, 0.01)),
    make_defence("binarised", "mlp", NO_GRADIENT, lambda m: d.Before(m, d.Thermometer(32))),
    make_defence("rounded", "mlp", NO_GRADIENT, lambda m: d.Before(m, d.Rounded(32))),
    make_defence(
        "stepped-activations", "mlp", NO_GRADIENT, lambda m: d.replace_layers(m, nn.ReLU, lambda _: d.Steps(0.1))
    ),
    make_defence(
        "k-wta", "mlp", MISLEADING, lambda m: d.replace_layers(m, nn.ReLU, lambda _: d.KWTA(0.3)), mitigated=False
    ),
    make_defence("shattered", "mlp", MISLEADING, lambda m: d.Before(m, d.Ripple(0.001, 10.0))),
    make_defence("one-step-size", "mlp", MISLEADING, lambda m: d.Before(m, d.Ripple(0.05, 3.0))),
    make_defence("detached", "mlp", MISLEADING, lambda m: d.Detached(m, 1e-3)),
    make_defence("clipped", "mlp", NO_GRADIENT, lambda m: d.Before(m, d.Clipped(1e-6))),
    make_defence("nan-gradient", "mlp", "nan-gradient", lambda m: d.Before(m, d.Rooted())),
    make_defence(
        "nan-off-grid", "mlp", "nan-gradient not-finite", lambda m: d.Before(m, d.NanOffGrid(16, 0.1)), mitigated=False
    ),
    make_defence("early-exit", "mlp", NO_GRADIENT, lambda m: d.EarlyExit(m, 0.6)),
    make_defence("shaken", "mlp", RANDOM, lambda m: d.Before(m, d.Shaken((7, 8, 9), 0, 0.2))),
    make_defence("dropped", "mlp", RANDOM, lambda m: d.Before(m, d.Dropped(0.15))),
    make_defence(
        "batch-statistics",
        "wideresnet",
        "depends-on-batch wrong-mode",
        lambda m: d.replace_layers(m, nn.BatchNorm2d, d.BatchStatistics),
        mitigated=False,
    ),
    Defence("memorised", memorise(0.99), "mlp", frozenset(NO_GRADIENT.split())),
]
VARIANTS = [
    make_defence("saturated", "cnn", "saturated saturated-loss", lambda m: d.Scaled(m, 300)),
    make_defence("cold-softmax", "lstm", "probabilities", lambda m: d.Cold(m, 0.02)),
    make_defence("binarised", "cnn", NO_GRADIENT, lambda m: d.Before(m, d.Thermometer(20))),
    make_defence("rounded", "lstm", NO_GRADIENT, lambda m: d.Before(m, d.Rounded(48))),
    make_defence(
        "stepped-activations", "cnn", NO_GRADIENT, lambda m: d.replace_layers(m, nn.ReLU, lambda _: d.Steps(0.05))
    ),
    make_defence(
        "k-wta", "cnn", MISLEADING, lambda m: d.replace_layers(m, nn.ReLU, lambda _: d.KWTA(0.2)), mitigated=False
    ),
    make_defence("shattered", "lstm", MISLEADING, lambda m: d.Before(m, d.Ripple(0.003, 8.0))),
    make_defence("one-step-size", "cnn", MISLEADING, lambda m: d.Before(m, d.Ripple(0.05, 2.5))),
    make_defence("detached", "lstm", MISLEADING, lambda m: d.Detached(m, 1e-2)),
    make_defence("clipped", "cnn", NO_GRADIENT, lambda m: d.Before(m, d.Clipped(1e-7))),
    make_defence("nan-gradient", "lstm", "nan-gradient", lambda m: d.Before(m, d.Rooted())),
    make_defence(
        "nan-off-grid", "cnn", "nan-gradient not-finite", lambda m: d.Before(m, d.NanOffGrid(16, 0.5)), mitigated=False
    ),
    make_defence("early-exit", "lstm", NO_GRADIENT, lambda m: d.EarlyExit(m, 0.5)),
    make_defence("shaken", "lstm", RANDOM, lambda m: d.Before(m, d.Shaken((8,), 0, 0.3))),
    make_defence("dropped", "lstm", RANDOM, lambda m: d.Before(m, d.Dropped(0.2))),
    make_defence(
        "batch-statistics",
        "preactresnet",
        "depends-on-batch wrong-mode",
        lambda m: d.replace_layers(m, nn.BatchNorm2d, d.BatchStatistics),
        mitigated=False,
    ),
    Defence("memorised", memorise(0.95), "lstm", frozenset(NO_GRADIENT.split())),
]

AT = "optimiser=adam:epochs="
SOUND = {
    "cnn-standard": make_base("cnn", "standard:epochs=12", width=8),
    "cnn-pgd-at": make_base("cnn", f"pgd-at:steps=5:{AT}15", width=8),
    "cnn-trades": make_base("cnn", f"trades:steps=5:{AT}15", width=8),
    "batch-norm-standard": make_base("wideresnet", "standard:epochs=6", depth=10, width=1),
    "batch-norm-fgsm-rs": make_base("wideresnet", "fgsm-rs:epochs=8", depth=10, width=1),
    "vit": make_base("vit", "standard:optimiser=adam:lr=0.003:epochs=20", width=24, depth=2, heads=2, patch=2),
    "lstm": make_base("lstm", "standard:optimiser=adam:lr=0.01:epochs=15", width=32),
    "mlp-pgd-at": make_base("mlp", f"pgd-at:steps=5:{AT}20", width=64),
    "very-small": make_base("mlp", "standard:epochs=20", width=8, depth=1),
}
SOUND_VARIANTS = {
    "cnn-standard": make_base("cnn", "standard:epochs=20:lr=0.05", seed=1, width=12),
    "cnn-fgsm-rs": make_base("cnn", f"fgsm-rs:{AT}20", seed=1, width=12),
    "cnn-pgd-at": make_base("cnn", f"pgd-at:steps=7:{AT}15", seed=1, width=12),
    "batch-norm-standard": make_base("preactresnet18", "standard:epochs=6", seed=1, width=4),
    "batch-norm-pgd-at": make_base("wideresnet", "pgd-at:steps=3:epochs=8", seed=1, depth=10, width=1),
    "vit": make_base("vit", "standard:optimiser=adam:lr=0.002:epochs=25", seed=1, width=32, depth=1, heads=2, patch=2),
    "lstm-pgd-at": make_base("lstm", "pgd-at:steps=3:optimiser=adam:lr=0.01:epochs=15", seed=1, width=24),
    "mlp-trades": make_base("mlp", f"trades:steps=5:{AT}20", seed=1, width=48, depth=3),
    "very-small": make_base("mlp", "standard:epochs=15:lr=0.2", seed=1, width=12, depth=1),
}
