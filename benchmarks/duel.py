"""Compare one attack of ours with one of a peer: the same model, images and seed, and one judge for both."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.subjects import Subject
from benchmarks.timing import CLOCK
from robust.attacks import LpThreat, assail, make, minimize_norm
from robust.attacks.geometry import Norm
from robust.attacks.rng import seeded
from robust.attacks.suite import Suite, read_suite, suite_names
from robust.attacks.task import Counted
from robust.attacks.threats.threat import Threat
from robust.data.dataset import Samples
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import MAX_BATCH, Batcher
from robust.evaluation.measure import AttackResult
from robust.evaluation.suite_run import SuiteRun

Attacker = Callable[[nn.Module, Tensor, Tensor], Tensor]  # (model, x, y) -> x_adv

SLACK_POINTS = 0.5  # how much higher our robust accuracy may be
SLACK_RATIO = 1.02  # how many times as far our median distance may be


@dataclass(frozen=True, slots=True)
class Duel:
    """A comparison: of robust accuracies for a threat model, of median distances for a norm."""

    attack: str  # what both are
    threat: LpThreat | Norm
    ours: str  # the attack's word, or a suite's name
    peer: str  # the library
    theirs: Attacker
    n: int  # images drawn


@dataclass(frozen=True, slots=True)
class Side:
    """The result of one side; passes are per attacked image, seconds of processor time are for all."""

    figure: float  # robust accuracy in percent of all n, or median distance of the images answered right
    forwards: float
    backwards: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Effort:
    """The inputs that an attack made, and the passes of samples and the processor time that it took."""

    x_adv: Tensor  # (N, *features)
    forwards: int
    backwards: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Row:
    """A duel fought on a model."""

    model: str
    duel: Duel
    ours: Side
    theirs: Side

    @property
    def holds(self) -> bool:
        if isinstance(self.duel.threat, LpThreat):
            return self.ours.figure <= self.theirs.figure + SLACK_POINTS
        return self.ours.figure <= SLACK_RATIO * self.theirs.figure


def run_duel(duel: Duel, subject: Subject, seed: int) -> Row:
    """Both sides, one after the other."""
    return Row(subject.name, duel, side(duel, ours(duel, seed), subject, seed), side(duel, duel.theirs, subject, seed))


def ours(duel: Duel, seed: int) -> Attacker:
    if duel.ours in suite_names() or duel.ours.endswith(".toml"):
        assert isinstance(duel.threat, LpThreat)
        return suite_attacker(duel.ours, duel.threat, seed)
    attack, threat = make(duel.ours), duel.threat
    if isinstance(threat, LpThreat):
        return lambda model, x, y: assail(model, attack, x, y, threat, seed=seed).x_adv
    return lambda model, x, y: minimize_norm(model, attack, x, y, threat, seed=seed).x_adv


def suite_attacker(suite: str, threat: LpThreat, seed: int) -> Attacker:
    """Return a suite, shipped or a file of TOML, as an attack."""

    def attack(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        found, x_adv = run_suite(Subject("", model, x, y, len(x)), suite, threat, seed), x.clone()
        x_adv[torch.from_numpy(found.adversarial)] = torch.from_numpy(found.x_adv)
        return x_adv

    return attack


def run_suite(on: Subject, suite: Suite | str, threat: Threat, seed: int) -> AttackResult:
    """Run a suite as --robust-suite does: in batches, with verification."""
    samples = Samples(on.x.numpy(), on.y.numpy(), np.arange(len(on.x)))
    with torch.no_grad():
        classes = on.model(on.x[:1]).shape[1]
    chosen, batcher = read_suite(suite, Path()) if isinstance(suite, str) else suite, Batcher(MAX_BATCH["cpu"])
    return SuiteRun(on.model, samples, chosen, threat, classes, RunOptions(batcher, seed)).run(np.ones(len(on.x), bool))


def side(duel: Duel, attack: Attacker, subject: Subject, seed: int) -> Side:
    effort, x, y = spend(attack, subject, seed), subject.x, subject.y
    if isinstance(duel.threat, LpThreat):
        robust = ~adversarial(subject.model, effort.x_adv, x, y, duel.threat)
        figure = 100 * int(robust.sum()) / subject.n
    else:
        figure = median(distance(subject.model, effort.x_adv, x, y, duel.threat))
    return Side(figure, effort.forwards / len(x), effort.backwards / len(x), effort.seconds)


def spend(attack: Attacker, subject: Subject, seed: int) -> Effort:
    """Run an attack, counted and timed."""
    counted = Counted(subject.model)
    with seeded(seed):
        begun = CLOCK()
        x_adv = attack(counted, subject.x.clone(), subject.y.clone()).detach()
        seconds = CLOCK() - begun
    return Effort(x_adv, counted.forwards, counted.backwards, seconds)


def adversarial(model: nn.Module, x_adv: Tensor, x: Tensor, y: Tensor, threat: LpThreat) -> Tensor:
    """(N,) bool: answered wrong inside the threat model. Projected first: a peer may be out by a rounding."""
    x_adv = threat.project(x_adv, x)
    return threat.admits(x_adv, x) & _wrong(model, x_adv, y)


def distance(model: nn.Module, x_adv: Tensor, x: Tensor, y: Tensor, norm: Norm) -> Tensor:
    """(N,) float64: how far x_adv is from x, inf where it is answered right. Put into the box first, likewise."""
    widest = LpThreat.widest(norm, x)
    x_adv = x_adv.clamp(widest.lo, widest.hi)
    size = widest.size(x_adv.double(), x.double())
    return size.masked_fill(~_wrong(model, x_adv, y), torch.inf)


def median(distances: Tensor) -> float:
    """The lower of the middle two, as of Nearest: never between a number and inf."""
    return float(distances.sort().values[(len(distances) - 1) // 2])


def _wrong(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    with torch.no_grad():
        logits: Tensor = model(x)
    return logits.isfinite().all(1) & (logits.argmax(1) != y)
