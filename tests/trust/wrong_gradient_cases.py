"""Broken defences with a gradient that is wrong; the variants are other constructions on other bases."""

import torch
from torch import nn

from tests.trust import wrong_gradients as w
from tests.trust.cases import BASES, WRONG_GRADIENT, Defence, make_defence, train
from tests.trust.networks import Sine


def make(name, base, defend, threat="linf:0.15", **more) -> Defence:
    return make_defence(name, base, WRONG_GRADIENT, defend, kind="wrong-gradient", threat=threat, **more)


def _deploy(module: nn.Module, twin: str) -> nn.Module:
    return w.Deployed(module, train(BASES[twin]))


def _deploy_quantised(module: nn.Module, levels: int, twin: str) -> nn.Module:
    return w.Deployed(w.quantise(module, levels), train(BASES[twin]))


GAUNTLET = [
    make("no-grad-branch", "branches", lambda m: w.freeze_branch(m, 1)),
    make("detached-level", "pyramid", lambda m: w.change(m, detached=frozenset({0, 1}))),
    make("detached-gate", "gated", lambda m: w.change(m, cut=True)),
    make("gradient-of-a-twin", "mlp", lambda m: _deploy(m, "cnn"), "linf:0.1"),
    make("dead-coordinates", "mlp-at", lambda m: w.scale_coordinates(m, w.make_checkerboard())),
    make("wrong-signs", "cnn-at", lambda m: w.scale_coordinates(m, w.draw_factors((1.0, 1.0, 1.0, -1.0), 0))),
    make("truncated-equilibrium", "equilibrium", lambda m: w.change(m, tracked=6), "linf:0.2"),
    make("truncated-recurrence", "gru-rows", lambda m: w.change(m, tracked=3)),
    make("swapped-slopes", "square", lambda m: w.relu_mask_swapped(m, 0.0)),
    make("not-transposed", "square", w.untransposed),
    make("turned-back-twice", "mlp-at", w.turned),
    make("hook-on-hidden", "mlp-at", lambda m: w.Hooked(m, w.drop_largest(0.5), "2")),
    make("detached-contrast", "contrast", lambda m: w.change(m, cut=True), "linf:0.2"),
    make("pooled-to-corner", "max-pool", lambda m: w.pool_to_corner(m, nn.MaxPool2d)),
    make("best-expert-detached", "experts", lambda m: w.change(m, best_cut=True)),
]
VARIANTS = [
    make("no-grad-branch", "residual", lambda m: w.change(m, detached=frozenset({0, 1, 2}))),
    make("detached-level", "skips", lambda m: w.change(m, cut=True)),
    make("detached-attention", "attention", lambda m: w.change(m, cut=True), "linf:0.1"),
    make("gradient-of-a-float-twin", "cnn-at", lambda m: _deploy_quantised(m, 15, "cnn")),
    make(
        "dead-coordinates",
        "cnn-at",
        lambda m: w.Hooked(m, lambda grad: grad * (torch.arange(8) >= 4).float()[:, None]),
    ),
    make("wrong-signs", "mlp-at", lambda m: w.Hooked(m, lambda grad: grad * w.draw_factors((1.0, 1.0, -1.0), 1))),
    make("truncated-equilibrium", "hopfield", lambda m: w.change(m, tracked=4), "linf:0.2"),
    make("truncated-recurrence", "rnn-columns", lambda m: w.change(m, tracked=2)),
    make("sine-of-sine", "sine", lambda m: w.sine_of_sine(m, Sine)),
    make("not-flipped", "square-conv", w.unflipped),
    make("shifted-on", "cnn-at", lambda m: w.shifted(m, 1)),
    make(
        "scaled-coordinates",
        "mlp-at",
        lambda m: w.Hooked(m, lambda grad: grad * 10 ** w.draw_factors((-3.0, -2.0, -1.0, 0.0, 1.0, 2.0), 2)),
        "l2:1",
    ),
    make("detached-contrast", "sharpened", lambda m: w.change(m, cut=True), "linf:0.2"),
    make("pooled-to-corner", "average-pool", lambda m: w.pool_to_corner(m, nn.AvgPool2d)),
    make("best-expert-detached", "experts-deep", lambda m: w.change(m, best_cut=True)),
]
