"""Broken defences that hide their gradient: saturated, rounded, shattered, random, or none at all."""

import torch
from torch import nn

from robust.data.dataset import Samples
from tests.trust import defences as d
from tests.trust.cases import THREAT, Defence, Defend, make_defence


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
