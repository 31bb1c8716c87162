"""Run a suite on a model: stages, each of rounds, each of batches, on the samples that are still robust.

Nothing is kept between two rounds except the state of each sample. A round depends only on that state, the seed and
the round's number, so a suite that goes on from its cache ends as one that was never stopped.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.combine.until import Until
from robust.attacks.criteria.registry import read_criterion
from robust.attacks.engine import AnyAttack, Outcome, Round, assail, count_copies, fold, rounds_of
from robust.attacks.factory import make
from robust.attacks.fast_copy import FastCopy
from robust.attacks.few_classes import fit_classes
from robust.attacks.rng import Rng
from robust.attacks.suite import Stage, Suite
from robust.attacks.threats.threat import Threat
from robust.attacks.threats.transform import WIDTH, transforms
from robust.attacks.threats.union import Union
from robust.data.dataset import Samples
from robust.data.spool import Spool
from robust.evaluation.attack_run import AttackRun, RunOptions, run_attack, sort_inputs
from robust.evaluation.measure import AttackResult
from robust.evaluation.steps import FIRST, Steps, count_steps
from robust.evaluation.suite_cache import SuiteCache
from robust.evaluation.time_limit import GATE, TIME, Deadline, Limits
from robust.evaluation.universal import Learnt, learn_first
from robust.flags import Flags
from robust.models.answering import draws_of
from robust.records.attack_outcome import StageOutcome

PAYS = 0.01  # of the samples that a round attacks, and one at least: so many must fall


class SuiteProgress(NamedTuple):
    """The progress of a suite."""

    stage: int  # from 0; only stages for the threat model count
    stages: int
    round: float  # of the stage, from 0: 1.5 in the middle of the second
    rounds: int
    robust: int  # samples


Watch = Callable[[SuiteProgress], None]


class SampleState:
    """The state of the n samples between rounds, and the cost so far."""

    def __init__(self, samples: Samples, correct: Flags, deadline: Deadline | None = None) -> None:
        self.deadline = deadline or Deadline(math.inf)
        self.robust = correct.copy()
        self.margin = np.full(len(samples), -np.inf, np.float32)
        self.clean = np.full(len(samples), -np.inf, np.float32)  # the margins before any attack
        self.inputs = Spool(samples.x.shape[1:])  # adversarial inputs
        self.rows = np.zeros(0, np.int64)  # the samples of these inputs, in the same order
        self.adversarial, self.faulty, self.undecided = (np.zeros(len(samples), bool) for _ in range(3))
        self.fault = np.zeros(len(samples), np.int8)
        self.theta = np.full((len(samples), WIDTH), np.nan, np.float32)
        self.cost = np.zeros(2, np.int64)
        self.seconds = 0.0
        self.rounds = 0  # that were run
        self.learnt: Learnt | None = None  # a patch for all samples

    def add(self, run: AttackRun) -> None:
        """Add the outcome of a round."""
        rows = run.rows[run.adversarial]
        self.robust[rows], self.adversarial[rows] = False, True
        self.theta[rows] = run.theta[run.adversarial]
        self.inputs.add(run.x_adv)
        self.rows = np.concatenate([self.rows, rows])
        self.fault[run.rows] = np.where(run.fault, run.fault, self.fault[run.rows])
        self.faulty[run.rows] |= run.faulty
        self.undecided[run.rows] |= run.undecided
        self.margin[run.rows] = np.maximum(self.margin[run.rows], run.margin)
        self.clean[run.rows] = run.clean
        self.cost += run.cost
        self.seconds += run.seconds
        self.rounds += 1

    def hardest(self, stage: Stage, times: int = 1, done: Flags | None = None) -> NDArray[np.int64]:
        """Return the robust samples that a stage attacks: those with the smallest part of their clean margin left.

        They are a share of all, without those that have more than `near` left, but `least` in any case; each of these
        limits is so many times as wide. Samples that are `done`, (n,), are left out.
        """
        rows = np.flatnonzero(self.robust if done is None else self.robust & ~done)
        left = share_left(self.margin[rows], self.clean[rows])
        share = math.ceil(min(1.0, times * stage.hardest) * len(rows))
        most = min(share, int((left <= times * stage.near).sum()))
        return rows[np.argsort(left, kind="stable")[: max(most, times * stage.least)]]


def share_left(margin: NDArray[np.float32], clean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the part of the clean margin that is left, (m,) from 0 to 1; 1 where it is not known."""
    known = np.isfinite(clean) & np.isfinite(margin) & (clean < 0)
    return np.divide(margin, clean, out=np.ones_like(margin), where=known).clip(0, 1)


def has_paid(found: int, attacked: int) -> bool:
    """Whether a round, or a stage, has broken enough of the samples that it attacked for more of its kind to follow.

    One of many thousand samples falls to nearly any round, so that without a share a stage would cost more a sample the
    more samples there are.
    """
    return found >= max(1, PAYS * attacked)


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """A suite on a model, with everything that a round depends on except the state of the samples."""

    module: nn.Module
    samples: Samples
    suite: Suite
    threat: Threat
    classes: int  # of the model; a stage has fewer targets than classes
    options: RunOptions
    fast_copy: FastCopy | None = None  # of the module; the attacks ask it in place of the module
    cache: SuiteCache | None = None
    limits: Limits = field(default_factory=Limits)
    watch: Watch = lambda progress: None  # called before each round, and before each step of an attack

    def run(self, correct: Flags) -> AttackResult:
        """Run the suite on the samples in the mask `correct`, (n,).

        ValueError or LookupError if an attack cannot be run.
        """
        deadline = Deadline(self.limits.seconds, self.limits.clock)
        state, outcomes, stopped = SampleState(self.samples, correct, deadline), [], ""
        succeeded, families = False, [part.norm for part in self.threat.parts]
        for k, stage in enumerate(self.suite.stages):
            part = narrow_threat(self.threat, stage)
            if part is None:
                continue
            before, attacked = int(state.adversarial.sum()), 0
            if succeeded or not stage.follow:
                attacked, stopped = self._run_stage(k, stage, part, state)
            if stopped:
                break
            forwards, backwards = map(int, state.cost)
            adversarial = int(state.adversarial.sum())
            succeeded = has_paid(adversarial - before, attacked)
            outcomes.append(StageOutcome(stage.attack, attacked, adversarial, forwards, backwards, state.seconds))
        return AttackResult(
            attack=self.suite.name,
            options=self.suite.determinants(self.fast_copy.ways if self.fast_copy else (), families),
            adversarial=state.adversarial,
            x_adv=sort_inputs(state.inputs.array(), state.rows),
            faulty=int(state.faulty.sum()),
            fault=state.fault,
            forwards=int(state.cost[0]),
            backwards=int(state.cost[1]),
            seconds=state.seconds,
            stages=tuple(outcomes),
            partial=stopped,
            note=state.learnt.note if state.learnt else "",
            shown=state.learnt.shown if state.learnt else None,
            theta=state.theta if transforms(self.threat) else None,
            undecided=state.undecided if draws_of(self.module) else None,
        )

    def _run_stage(self, k: int, stage: Stage, part: Threat, state: SampleState) -> tuple[int, str]:
        """Run stage number k. Returns (number of samples attacked, why it was stopped before its end, or "")."""
        failures, times, attacked = 0, 1, np.zeros(len(self.samples), bool)
        rounds = [
            Round(attack, partial(fold, k, enter_round))  # each stage has random numbers of its own
            for attack, enter_round in rounds_of(self._make(stage, part, state))
        ]
        stages = [j for j, other in enumerate(self.suite.stages) if narrow_threat(self.threat, other) is not None]
        for r, current in enumerate(rounds):
            robust = int(state.robust.sum())
            place = SuiteProgress(stages.index(k), len(stages), r, len(rounds), robust)
            self.watch(place)
            rows = state.hardest(stage, times, attacked if stage.onward else None)
            if not len(rows) or failures == stage.patience:
                break
            if self.limits.enough(robust):
                return int(attacked.sum()), GATE
            run, whole = self._run_round(current, rows, part, state, place)
            state.add(run)
            if not whole:
                return int(attacked.sum()), TIME
            attacked[run.rows] = True
            succeeded = has_paid(int(run.adversarial.sum()), len(run.rows))
            failures = 0 if succeeded else failures + 1
            times *= 2 if succeeded and stage.widen else 1
        return int(attacked.sum()), ""

    def _make(self, stage: Stage, part: Threat, state: SampleState) -> AnyAttack:
        """Return the attack of a stage, as it fits the model and the criterion; a patch for all is learnt first."""
        made = make(fit_classes(stage.attack, self.classes, self.samples.criterion), self.options.load)
        learnt = learn_first(made, self.module, self.samples, part, self.options)
        state.cost += np.array([learnt.forwards, learnt.backwards])
        state.seconds, state.learnt = state.seconds + learnt.seconds, learnt if learnt.shown else state.learnt
        return learnt.attack

    def _run_round(
        self, current: Round, rows: NDArray[np.int64], part: Threat, state: SampleState, place: SuiteProgress
    ) -> tuple[AttackRun, bool]:
        """Run a round, or read it from the cache. Returns (its outcome, whether it came to its end)."""
        options = replace(self.options, copies=count_copies(current))
        if (run := self._read_cache(state.rounds)) is not None:
            options.batcher.size = run.batch
            return run, True
        model, deadline = self.fast_copy or self.module, state.deadline
        criterion = read_criterion(self.samples.criterion)
        steps = Steps(
            count_steps([current.attack.steps], len(rows), options.batcher.fit(options.copies)),
            deadline,
            lambda share: self.watch(place._replace(round=place.round + share)),
            least=0 if state.rounds else FIRST,
        )

        def attack(x: Tensor, y: Tensor, index: Tensor) -> Outcome | None:
            if steps.over:
                return None
            rng = Rng.of(options.seed, index)
            return assail(model, Until(current, steps), x, y, part, seed=rng, criterion=criterion)

        run = run_attack(self.module, self.samples, rows, attack, part, options)
        whole = not any(options.ranks.all(deadline.stopped))
        if whole:
            self._write_cache(state.rounds, run)
        return run, whole

    def _read_cache(self, k: int) -> AttackRun | None:
        """Read round number k. The first rank reads, since other machines need not have its disk."""
        ranks = self.options.ranks
        if self.cache is None:
            return None
        run = self.cache.read(k) if ranks.first else None
        shared = ranks.once(lambda: run and run.without_inputs)
        return run or shared

    def _write_cache(self, k: int, run: AttackRun) -> None:
        if (cache := self.cache) is not None:
            self.options.ranks.once(lambda: cache.write(k, run))


def is_unattacked(result: AttackResult) -> bool:
    """Whether time was up before an attack, or a suite's first stage, ended: then its accuracy says nothing."""
    return result.partial == TIME and not result.stages


def narrow_threat(threat: Threat, stage: Stage) -> Threat | None:
    """Return the part of a threat model that a stage is for; None if it is for no part."""
    parts = tuple(part for part in threat.parts if part.norm in stage.threats)
    return Union(parts) if len(parts) > 1 else next(iter(parts), None)
