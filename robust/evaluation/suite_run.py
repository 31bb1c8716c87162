"""Run a suite on a model: stages, in them rounds, in these batches, each on samples that still stand.

Between two rounds nothing is kept but what is known of each sample. What a round does depends on that, the seed and
the round's number alone, so that a campaign which goes on from what the disk holds ends as one that was never stopped.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.engine import Outcome, Round, assail, fold, rounds_of
from robust.attacks.factory import make, no_models
from robust.attacks.fast_copy import FastCopy
from robust.attacks.spec import Spec
from robust.attacks.suite import Stage, Suite
from robust.attacks.task import Model
from robust.attacks.threats.threat import Threat
from robust.attacks.threats.union import Union
from robust.data.dataset import Samples
from robust.data.spool import Spool
from robust.distributed.ranks import ALONE, Ranks
from robust.evaluation.attack_run import AttackRun, in_order, run_attack
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import AttackResult
from robust.evaluation.suite_cache import SuiteCache
from robust.flags import Flags
from robust.records.attack_outcome import StageOutcome

TIME, GATE = "time", "gate"  # why a campaign may be stopped before its end


class SuiteProgress(NamedTuple):
    """How far a campaign is, for who watches it."""

    stage: int  # of those for the threat model, from 0
    stages: int
    round: int  # of the stage, from 0
    rounds: int
    standing: int  # samples


Watch = Callable[[SuiteProgress], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop before the end."""

    seconds: float = math.inf
    enough: Callable[[int], bool] = lambda standing: False  # whether so few that stand settle what was asked


class SampleState:
    """What is known of each of the n samples, and what that cost."""

    def __init__(self, samples: Samples, correct: Flags) -> None:
        self.standing = correct.copy()
        self.margin = np.full(len(samples), -np.inf, np.float32)
        self.pile = Spool(samples.x.shape[1:])  # the inputs that broke samples
        self.fell = np.zeros(0, np.int64)  # those samples, in the same order
        self.adversarial, self.faulty = (np.zeros(len(samples), bool) for _ in range(2))
        self.fault = np.zeros(len(samples), np.int8)
        self.cost = np.zeros(2, np.int64)
        self.seconds = 0.0
        self.bouts = 0  # rounds that were run

    def add(self, bout: AttackRun) -> None:
        fell = bout.rows[bout.adversarial]
        self.standing[fell], self.adversarial[fell] = False, True
        self.pile.add(bout.x_adv)
        self.fell = np.concatenate([self.fell, fell])
        self.fault[bout.rows] = np.where(bout.fault, bout.fault, self.fault[bout.rows])
        self.faulty[bout.rows] |= bout.faulty
        self.margin[bout.rows] = np.maximum(self.margin[bout.rows], bout.margin)
        self.cost += bout.cost
        self.seconds += bout.seconds
        self.bouts += 1

    def hardest(self, share: float, least: int = 1) -> NDArray[np.int64]:
        """Of the samples that stand those that came nearest to falling, the nearest first; at least so many."""
        rows = np.flatnonzero(self.standing)
        return rows[np.argsort(-self.margin[rows], kind="stable")][: max(math.ceil(share * len(rows)), least)]


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """A suite on a model, and all that a round depends on beside what is known of the samples."""

    module: nn.Module
    samples: Samples
    suite: Suite
    threat: Threat
    feed: Batcher
    classes: int  # of the model; a stage has no more targets than there are others
    seed: int = 0
    fast_copy: FastCopy | None = None  # of the module, for the attacks to ask in its place
    load: Callable[[str], Model] = no_models  # makes a model of a surrogate's word
    cache: SuiteCache | None = None
    limits: Limits = Limits()
    watch: Watch = lambda told: None
    ranks: Ranks = ALONE

    def run(self, correct: Flags) -> AttackResult:
        """The suite on the samples in the mask `correct`; ValueError or LookupError where an attack cannot be run."""
        known, reached, stopped = SampleState(self.samples, correct), [], ""
        adversarial, paid = 0, False
        for k, stage in enumerate(self.suite.stages):
            part = narrowed(self.threat, stage)
            if part is None:
                continue
            before, shown = adversarial, 0
            if paid or not stage.follow:
                shown, stopped = self._stage(k, stage, part, known)
            if stopped:
                break
            forwards, backwards = map(int, known.cost)
            adversarial = int(known.adversarial.sum())
            paid = adversarial > before
            reached.append(StageOutcome(stage.attack, shown, adversarial, forwards, backwards, known.seconds))
        return AttackResult(
            attack=self.suite.name,
            options=self.suite.determinants(self.fast_copy.ways if self.fast_copy else ()),
            adversarial=known.adversarial,
            x_adv=in_order(known.pile.array(), known.fell),
            faulty=int(known.faulty.sum()),
            fault=known.fault,
            forwards=int(known.cost[0]),
            backwards=int(known.cost[1]),
            seconds=known.seconds,
            stages=tuple(reached),
            partial=stopped,
        )

    def _stage(self, k: int, stage: Stage, part: Threat, known: SampleState) -> tuple[int, str]:
        """Run stage number k. Returns (the samples that it was run on, why it was stopped before its end, or "")."""
        dry, share, shown = 0, stage.hardest, np.zeros(len(self.samples), bool)
        rounds = [
            Round(attack, partial(fold, k, enter_round))  # each stage has random numbers of its own
            for attack, enter_round in rounds_of(make(capped(stage.attack, self.classes), self.load))
        ]
        mine = [j for j, each in enumerate(self.suite.stages) if narrowed(self.threat, each) is not None]
        for r, each in enumerate(rounds):
            standing = int(known.standing.sum())
            self.watch(SuiteProgress(mine.index(k), len(mine), r, len(rounds), standing))
            if not standing or dry == stage.patience:
                break
            if self.limits.enough(standing):
                return int(shown.sum()), GATE
            bout, whole = self._bout(each, known.hardest(share, stage.least), part, known)
            known.add(bout)
            if not whole:
                return int(shown.sum()), TIME
            shown[bout.rows] = True
            paid = bool(bout.adversarial.any())
            dry = 0 if paid else dry + 1
            share = min(1.0, 2 * share) if paid and stage.widen else share
        return int(shown.sum()), ""

    def _bout(self, each: Round, rows: NDArray[np.int64], part: Threat, known: SampleState) -> tuple[AttackRun, bool]:
        """Run a round, or read what it did. Returns (that, whether it came to its end)."""
        if (bout := self._read(known.bouts)) is not None:
            self.feed.size = bout.batch
            return bout, True
        over = partial(_past, time.monotonic() + self.limits.seconds - known.seconds)

        def attack(x: Tensor, y: Tensor, index: Tensor) -> Outcome | None:
            if over():
                return None
            return assail(self.fast_copy or self.module, each, x, y, part, seed=self.seed, index=index, stop=over)

        bout = run_attack(self.module, self.samples, rows, attack, part, self.feed, self.ranks)
        whole = not any(self.ranks.all(over()))
        if whole:
            self._write(known.bouts, bout)
        return bout, whole

    def _read(self, k: int) -> AttackRun | None:
        """Round number k from the cache, which is the first rank's: another machine's disk need not have it."""
        if self.cache is None:
            return None
        bout = self.cache.read(k) if self.ranks.first else None
        told = self.ranks.once(lambda: bout and bout.bare)
        return bout or told

    def _write(self, k: int, bout: AttackRun) -> None:
        if (cache := self.cache) is not None:
            self.ranks.once(lambda: cache.write(k, bout))


def unattacked(found: AttackResult) -> bool:
    """Whether the time was up before the first stage came to its end: then what stands says nothing."""
    return found.partial == TIME and not found.stages


def narrowed(threat: Threat, stage: Stage) -> Threat | None:
    """The part of a threat model that a stage is for; None where it is for none."""
    parts = tuple(part for part in threat.parts if part.norm in stage.norms)
    return Union(parts) if len(parts) > 1 else next(iter(parts), None)


def capped(word: str, classes: int) -> str:
    """The attack with no more targets than there are wrong classes."""
    spec = Spec.parse(word)
    options = ((key, min(value, classes - 1) if key == "targets" else value) for key, value in spec.options)
    return str(Spec(spec.name, spec.args, tuple(options)))


def _past(deadline: float) -> bool:
    return time.monotonic() >= deadline
