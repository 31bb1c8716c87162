"""Evaluations that prove little, of networks that are honest: their samples, threat model or attacks are at fault.

Each has the evaluation that would be fair beside it; what it reports is above that by the fault.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from torch import nn

from robust.attacks import LpThreat
from robust.data.dataset import Samples
from robust.evaluation.measure import measure_attack, measure_clean
from tests.trust.cases import BASES, DIGITS, samples, train
from tests.trust.memorising import learn_by_heart

# Findings that would be right.
EASY = "easy-samples"
DUPLICATES = "duplicates"
FEW_CLASSES = "one-class"
TRAINING = "training-samples"
TINY_EPS = "eps-units"
FEW = "few-samples"
WEAK = "margin-wins more-steps-pay"

STRONG = ("pgd:loss=margin:steps=20:stride=1:last=0.01", "pgd:loss=sice:steps=20:stride=1:last=0.01")


@dataclass(frozen=True)
class Evaluation:
    """A network, the samples, a threat model and attacks."""

    module: nn.Module
    samples: Samples
    threat: LpThreat
    attacks: tuple[str, ...] = STRONG


@dataclass(frozen=True)
class WeakEvaluation:
    """An evaluation that proves little, and a fair one of the same network."""

    name: str
    reasons: frozenset[str]
    make: Callable[[Evaluation], Evaluation]  # from the fair one
    base: str
    threat: str = "linf:0.1"

    def __str__(self) -> str:
        return self.name

    def build(self) -> tuple[Evaluation, Evaluation]:
        """Return (the evaluation that proves little, the fair one)."""
        fair = Evaluation(get_module(self.base), samples(), LpThreat.parse(self.threat))
        return self.make(fair), fair


# Networks that go on learning from a few training samples until they know them by heart: the base and their number.
MEMORISING = {"overfit": ("mlp-wide-at", 200), "overfit-cnn": ("cnn-at", 120)}


@cache
def get_module(base: str) -> nn.Module:
    """Return a trained network by its name here or among BASES."""
    if base not in MEMORISING:
        return train(BASES[base])
    start, n = MEMORISING[base]
    learnt = DIGITS.load("train", n)
    return learn_by_heart(train(BASES[start]), torch.from_numpy(learnt.x), torch.from_numpy(learnt.y), 0.15, 150)


def choose(fair: Evaluation, rows: np.ndarray) -> Evaluation:
    return replace(fair, samples=fair.samples.take(rows))


def choose_easy(fair: Evaluation, n: int) -> Evaluation:
    """Take the samples with the largest margins."""
    with torch.no_grad():
        best = fair.module(torch.from_numpy(fair.samples.x)).softmax(1).topk(2, 1)
    right = best.indices[:, 0] == torch.from_numpy(fair.samples.y)
    margin = torch.where(right, best.values[:, 0] - best.values[:, 1], -1.0)
    return choose(fair, np.sort(margin.topk(n).indices.numpy()))


def choose_survivors(fair: Evaluation, attack: str) -> Evaluation:
    """Take the samples that an attack leaves."""
    correct = measure_clean(fair.module, fair.samples).correct
    found = measure_attack(fair.module, fair.samples, correct, attack, fair.threat).adversarial
    return choose(fair, np.flatnonzero(correct & ~found))


def repeat(fair: Evaluation, n: int, noise: float) -> Evaluation:
    """Take n easy samples again and again, each time with a little noise if asked."""
    few = choose_easy(fair, n).samples
    rows = np.tile(np.arange(n), len(fair.samples) // n)
    offset = noise * np.random.default_rng(0).uniform(-1, 1, (len(rows), *few.x.shape[1:]))
    x = (few.x[rows] + offset.astype(np.float32)).clip(0, 1)
    return replace(fair, samples=Samples(x, few.y[rows], np.arange(len(rows))))


def choose_classes(fair: Evaluation, *classes: int) -> Evaluation:
    return choose(fair, np.flatnonzero(np.isin(fair.samples.y, classes)))


def choose_training(fair: Evaluation, n: int) -> Evaluation:
    """Take n training samples, and as many others as are missing."""
    learnt, others = DIGITS.load("train", n), fair.samples.take(np.arange(len(fair.samples) - n))
    x, y = np.concatenate((learnt.x, others.x)), np.concatenate((learnt.y, others.y))
    return replace(fair, samples=Samples(x, y, np.arange(len(y))))


def attack_with(fair: Evaluation, *attacks: str) -> Evaluation:
    return replace(fair, attacks=attacks)


def shrink(fair: Evaluation, threat: str) -> Evaluation:
    return replace(fair, threat=LpThreat.parse(threat))


def make(name: str, reasons: str, base: str, build: Callable[[Evaluation], Evaluation], **more: str) -> WeakEvaluation:
    return WeakEvaluation(name, frozenset(reasons.split()), build, base, **more)


EVALUATIONS = [
    make("easy-samples", EASY, "mlp-at", lambda e: choose_easy(e, 80)),
    make("duplicates", DUPLICATES, "cnn-at", lambda e: repeat(e, 20, 0.0)),
    make("one-class", FEW_CLASSES, "mlp-at", lambda e: choose_classes(e, 0)),
    make("training-samples", TRAINING, "overfit", lambda e: choose_training(e, 200), threat="linf:0.15"),
    make("eps-below-a-level", TINY_EPS, "mlp", lambda e: shrink(e, "linf:0.02")),
    make("few-samples", FEW, "cnn-at", lambda e: choose(e, np.arange(10))),
    make("queries-only", WEAK, "cnn", lambda e: attack_with(e, "square:steps=100")),
    make("noise-only", WEAK, "mlp", lambda e: attack_with(e, "noise")),
]
EVALUATION_VARIANTS = [
    make("survivors", EASY, "cnn-at", lambda e: choose_survivors(e, "fgsm")),
    make("near-duplicates", DUPLICATES, "square", lambda e: repeat(e, 25, 1e-3)),
    make("two-classes", FEW_CLASSES, "cnn-at", lambda e: choose_classes(e, 0, 6)),
    make("half-of-them-learnt", TRAINING, "overfit-cnn", lambda e: choose_training(e, 120), threat="linf:0.15"),
    make("small-l2", TINY_EPS, "cnn", lambda e: shrink(e, "l2:0.05"), threat="l2:0.5"),
    make("few-samples", FEW, "square", lambda e: choose(e, np.arange(20, 32))),
    make("few-queries", WEAK, "lstm", lambda e: attack_with(e, "square:steps=60")),
    make("one-small-step", WEAK, "square", lambda e: attack_with(e, "pgd:start=0:steps=2:stride=0.1")),
]
