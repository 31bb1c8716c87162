"""Measure a model: its accuracy on clean inputs, and which of its right answers an attack changes."""

import time
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.combine.until import Until
from robust.attacks.criteria.criterion import Criterion
from robust.attacks.criteria.registry import read_criterion
from robust.attacks.drawn import Tested, decide_answers
from robust.attacks.draws import LOOKED_AT
from robust.attacks.engine import AnyAttack, Outcome, answers, assail, count_copies, eval_mode, rounds_of
from robust.attacks.factory import describe, make
from robust.attacks.grammar.corruption import list_corruptions
from robust.attacks.grammar.features import tables_of
from robust.attacks.rng import Rng
from robust.attacks.threats.threat import Threat
from robust.attacks.threats.transform import WIDTH, transforms
from robust.attacks.words import COUNTED
from robust.attacks.zoo._universal import Shown
from robust.data.dataset import Samples
from robust.device import device_of
from robust.distributed.ranks import ALONE, Ranks
from robust.evaluation.attack_run import (
    RunOptions,
    Scores,
    Thetas,
    candidates_of,
    count_queries,
    run_attack,
    sort_inputs,
)
from robust.evaluation.batching import Batcher
from robust.evaluation.steps import Steps, count_steps
from robust.evaluation.time_limit import TIME
from robust.evaluation.universal import learn_first
from robust.flags import Flags
from robust.models.answering import count_draws, draws_of
from robust.models.judged import judges
from robust.models.weights import hash_weights
from robust.records.attack_outcome import StageOutcome
from robust.verification.check import Faults
from robust.verification.rounding import on_levels, verify_rounded

BATCH = 250  # the default batch size
PROBED_SAMPLES = 64  # if these are on levels, all samples are taken to be


@dataclass(frozen=True, slots=True)
class CleanResult:
    """The model's answers to the clean samples."""

    correct: Flags  # (n,)
    faulty: int  # samples whose answer is not finite
    undecided: Flags | None = None  # (n,): not correct, since the test of random answers did not decide
    pace: float = 0.0  # seconds that a sample takes, in batches; of random answers as many as an attack looks at
    score: Scores | None = None  # (n,): by a criterion that has one
    regions: Scores | None = None  # (n, 2 C): of maps, pixels of each class's intersection and union


@dataclass(frozen=True, slots=True)
class AttackResult:
    """The outcome of an attack or a suite that was started on all samples that the model answers right."""

    attack: str  # its spec: "pgd:steps=40", "standard-1"
    options: dict[str, Any]  # all of them, the defaults included
    adversarial: Flags  # (n,): whether an input was found that the attack's driver accepted and that was then verified
    x_adv: NDArray[np.float32]  # (adversarial, *shape): those inputs in the samples' order; only the first rank's
    faulty: int  # samples on which the model gave an answer that is not finite
    fault: Faults  # (n,): what is wrong with an input that the driver accepted and that was not verified
    forwards: int  # samples sent through the model
    backwards: int
    seconds: float
    stages: tuple[StageOutcome, ...] = ()  # of a suite
    partial: str = ""  # why it was stopped before its end; "" if it was not
    rounded: Flags | None = None  # (n,): adversarial also after the input is rounded to the data's levels
    score: Scores | None = None  # (n,): of the worst verified input of each sample, by a criterion that has one
    regions: Scores | None = None  # (n, 2 C): of maps, of the same inputs
    corrupted: Scores | None = None  # (n, corruptions): 1 where one is answered right, 0 where not, NaN: not asked
    note: str = ""  # on what an attack learnt before, and on which samples
    shown: Shown | None = None  # the attack that shows what it learnt
    queries: Scores | None = None  # (n,): see `count_queries`; None of a suite, and where a step is no query
    asked: int = 0  # the most queries that a sample took; 0 where they are not counted
    score_partial: str = ""  # why the search for worst scores was stopped before its end; "" if it was not
    theta: Thetas | None = None  # (n, 4), if the threat model transforms: of the input of each sample; NaN without

    @property
    def theta_adv(self) -> Thetas | None:
        """Return the theta of x_adv, (adversarial, 4)."""
        return None if self.theta is None else self.theta[self.adversarial]

    undecided: Flags | None = None  # (n,): adversarial, since the test of random answers did not decide


def measure_clean(
    module: nn.Module, samples: Samples, seed: int = 0, batcher: Batcher | None = None, ranks: Ranks = ALONE
) -> CleanResult:
    """Measure the accuracy without an attack: an answer is right if it is so in every form in which answers count.

    Random answers are right if a test shows that they are wrong with a probability below one half.
    """
    batcher, share = batcher or _default_batcher(module), ranks.deal(samples)
    forms, criterion, asked = judges(module), read_criterion(samples.criterion), 0.0

    def judge(x: Tensor, y: Tensor, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        nonlocal asked
        if draws_of(module):
            tested = _test(forms[0], x, y, seed, criterion)
            asked += int(tested.asked.sum()) * count_draws(module) / LOOKED_AT
            return tested.right, tested.faulty, tested.undecided
        right, faulty = zip(*(answers(form, x, y, seed, criterion) for form in forms), strict=True)
        asked += len(x)
        return torch.stack(right).all(0), torch.stack(faulty).any(0), torch.zeros_like(faulty[0])

    began = time.monotonic()
    columns = ranks.agree(lambda: batcher.columns(judge, share, bool, bool, bool))
    pace = (time.monotonic() - began) / max(1, asked)
    correct, faulty, undecided = map(ranks.whole, columns)
    return CleanResult(correct, int(faulty.sum()), undecided if draws_of(module) else None, pace)


def _test(form: nn.Module, x: Tensor, y: Tensor, seed: int, criterion: Criterion) -> Tested:
    with eval_mode(form, seed):
        return decide_answers(form, x, y, criterion)


def measure_attack(
    module: nn.Module,
    samples: Samples,
    correct: Flags,
    attack: str | AnyAttack,
    threat: Threat,
    options: RunOptions | None = None,
) -> AttackResult:
    """Run an attack, given as an object or by its spec, on the samples in the mask `correct`, (n,).

    ValueError or LookupError if the spec is wrong or the attack cannot be run.
    """
    options = options or RunOptions(_default_batcher(module))
    made = make(attack, options.load) if isinstance(attack, str) else attack
    learnt = learn_first(made, module, samples, threat, options)
    chosen, began = learnt.attack, time.monotonic()
    options = replace(options, copies=count_copies(chosen))
    deadline, rows = options.deadline, np.flatnonzero(correct)
    rounds = [part.steps for part, _ in rounds_of(chosen)]
    criterion = read_criterion(samples.criterion)
    steps = Steps(count_steps(rounds, len(rows), options.batcher.fit(options.copies)), deadline, options.watch)

    def attack_batch(x: Tensor, y: Tensor, index: Tensor) -> Outcome | None:
        if steps.over:
            return None
        rng = Rng.of(options.seed, index)
        return assail(module, Until(chosen, steps), x, y, threat, seed=rng, criterion=criterion)

    run = run_attack(module, samples, rows, attack_batch, threat, options)
    stopped = any(options.ranks.all(deadline is not None and deadline.stopped))
    adversarial, fault = np.zeros(len(samples), bool), np.zeros(len(samples), np.int8)
    adversarial[run.rows], fault[run.rows] = run.adversarial, run.fault
    theta = np.full((len(samples), WIDTH), np.nan, np.float32)
    theta[adversarial] = run.theta[np.argsort(run.rows)][run.adversarial[np.argsort(run.rows)]]
    (undecided := np.zeros(len(samples), bool))[run.rows] = run.undecided
    name = attack if isinstance(attack, str) else describe(attack)
    counted = name.partition(":")[0] in COUNTED and not run.cost[1] and not draws_of(module)
    return AttackResult(
        attack=name,
        options=options_of(made),
        adversarial=adversarial,
        x_adv=sort_inputs(run.x_adv, run.rows[run.adversarial]),
        faulty=int(run.faulty.sum()),
        fault=fault,
        forwards=learnt.forwards + int(run.cost[0]),
        backwards=learnt.backwards + int(run.cost[1]),
        seconds=learnt.seconds + time.monotonic() - began,
        note=learnt.note,
        shown=learnt.shown,
        partial=TIME if stopped else "",
        theta=theta if transforms(threat) else None,
        undecided=undecided if draws_of(module) else None,
        **(count_queries(correct, adversarial, run) if counted else {}),
    )


def _default_batcher(module: nn.Module) -> Batcher:
    return Batcher(BATCH, device_of(module))


def add_rounding(
    result: AttackResult, module: nn.Module, samples: Samples, threat: Threat, levels: int, batch: int
) -> AttackResult:
    """Add which samples are adversarial also after their inputs are rounded to the data's levels.

    Nothing is added for tables and for several inputs, which are stored as they are, for corruptions, which have levels
    of their own, and if the samples are not on such levels; the first samples decide for all.
    """
    if (
        tables_of(str(threat))
        or list_corruptions(str(threat))
        or samples.layout
        or not on_levels(samples.x[:PROBED_SAMPLES], (threat.lo, threat.hi), levels)
    ):
        return result
    found = samples.take(np.flatnonzero(result.adversarial))
    candidates = candidates_of(found, result.x_adv, threat, batch, result.theta_adv)
    rounded = result.adversarial.copy()
    rounded[result.adversarial] = verify_rounded(module, candidates, levels).fault == 0
    return replace(result, rounded=rounded)


def join_theta(first: AttackResult, second: AttackResult) -> Thetas | None:
    """Return the theta, (n, 4), of two results that found inputs of different samples; None unless both have some."""
    if first.theta is None or second.theta is None:
        return None
    return np.where(second.adversarial[:, None], second.theta, first.theta)


def options_of(attack: AnyAttack) -> dict[str, Any]:
    """Return an attack's options by name, as JSON can hold them; a model becomes its class and its weights' hash."""
    options: dict[str, Any] = _to_json(attack) if is_dataclass(attack) else {}
    return options


def _to_json(value: Any) -> Any:
    if isinstance(value, nn.Module):
        return f"{type(value).__name__}:{hash_weights(value)[:8]}"
    if isinstance(value, tuple | list):
        return [_to_json(one) for one in value]
    if is_dataclass(value):
        return {option.name: _to_json(getattr(value, option.name)) for option in fields(value)}
    return getattr(value, "__name__", value)
