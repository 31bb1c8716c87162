"""Run an attack on some samples, shared out to the ranks, and verify the inputs that it found."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.engine import Outcome
from robust.attacks.factory import no_models
from robust.attacks.grammar.features import tables_of
from robust.attacks.task import Model
from robust.attacks.threats.threat import Threat
from robust.attacks.threats.transform import WIDTH
from robust.data.dataset import Samples
from robust.data.spool import Spool, pick_rows
from robust.distributed.ranks import ALONE, Ranks
from robust.evaluation.batching import Batcher
from robust.evaluation.time_limit import Deadline
from robust.flags import Flags
from robust.models.answering import draws_of
from robust.verification.candidates import Candidates
from robust.verification.check import ANSWERED_RIGHT, CLEAN_WRONG, Faults, verify

Scores = NDArray[np.float32]  # (n,)
Thetas = NDArray[np.float32]  # (n, 4): of what a threat model that transforms made of each sample; NaN elsewhere
AttackFunction = Callable[[Tensor, Tensor, Tensor], Outcome | None]  # (x, y, index); None if it was stopped


def no_others(n: int, seed: int) -> Samples:
    """Refuse to draw training samples: always raise ValueError. The default of `others` in `RunOptions`."""
    del n, seed
    raise ValueError("a patch for all is learnt on other samples, and nothing here has some; learn it first")


class PatchHome(NamedTuple):
    """By what a run keeps the patches that it learns."""

    home: Path  # the folder of the run's own files
    source: Path  # the file of the user that makes the module; need not exist


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options for running attacks."""

    batcher: Batcher
    seed: int = 0
    load: Callable[[str], Model] = no_models  # makes a surrogate model from its spec
    ranks: Ranks = ALONE
    # Whether the model's answers are random. Then a clean input may be answered wrong when an adversarial one is
    # verified, and the sample counts as adversarial all the same.
    draws: bool = False
    deadline: Deadline | None = None  # at which an attack ends with what it has found
    watch: Callable[[float], None] = lambda share: None  # told before each step which share of the attack is done
    copies: int = 1  # iterates of each sample that the attack has at once
    others: Callable[[int, int], Samples] = no_others  # draws so many training samples by a seed
    patches: PatchHome | None = None  # where patches for all samples are kept once they are learnt


@dataclass(frozen=True, slots=True)
class AttackRun:
    """The outcome of an attack on m samples."""

    rows: NDArray[np.int64]  # (m,): which of the n samples
    adversarial: Flags  # (m,): whether an input was found that the attack's driver accepted and that was then verified
    x_adv: NDArray[np.float32]  # (adversarial, *shape): those inputs; only the first rank has them
    fault: Faults  # (m,): what is wrong with an input that the driver accepted and that was not verified
    faulty: Flags  # (m,): whether the model gave an answer that is not finite
    theta: Thetas  # (m, 4)
    margin: NDArray[np.float32]  # (m,): the largest during the attack
    clean: NDArray[np.float32]  # (m,): the margin of the clean sample
    queries: NDArray[np.int64]  # (m,): how often each sample was sent forward, up to its first success
    cost: NDArray[np.int64]  # (2,): samples sent forward and backward
    seconds: float
    batch: int  # batch size, since rounding depends on it
    undecided: Flags  # (m,): adversarial, since the test of random answers did not decide

    @property
    def without_inputs(self) -> "AttackRun":
        return replace(self, x_adv=self.x_adv[:0])


def run_attack(
    module: nn.Module,
    samples: Samples,
    rows: NDArray[np.int64],
    attack: AttackFunction,
    threat: Threat,
    options: RunOptions,
) -> AttackRun:
    """Attack the samples in these rows, shared out to the ranks; fewer if `attack` was stopped.

    The rows may be in any order; rows that follow each other go to different ranks.
    """

    def run_share() -> AttackRun:
        began, share = time.monotonic(), rows[options.ranks.share]
        outcome = run_batches(attack, samples.take(share), options.batcher, options.copies)
        share = share[: len(outcome.adversarial)]
        found = verify_found(module, samples.take(share), outcome, threat, options)
        return AttackRun(
            rows=share,
            adversarial=found.adversarial,
            x_adv=found.x_adv,
            fault=found.fault,
            faulty=outcome.faulty,
            theta=outcome.theta,
            margin=outcome.margin,
            clean=outcome.clean,
            queries=outcome.forwards,
            cost=np.array([outcome.forwards.sum(), outcome.backwards.sum()], np.int64),
            seconds=time.monotonic() - began,
            batch=options.batcher.size,
            undecided=found.undecided,
        )

    return _join_ranks(options.ranks.agree(run_share), options.ranks)


def _join_ranks(run: AttackRun, ranks: Ranks) -> AttackRun:
    """Join the runs of all ranks; only the first rank gets the inputs."""
    runs = ranks.all(run.without_inputs)
    return AttackRun(
        rows=np.concatenate([run.rows for run in runs]),
        adversarial=np.concatenate([run.adversarial for run in runs]),
        x_adv=ranks.inputs(run.x_adv, [int(run.adversarial.sum()) for run in runs]),
        fault=np.concatenate([run.fault for run in runs]),
        faulty=np.concatenate([run.faulty for run in runs]),
        theta=np.concatenate([run.theta for run in runs]),
        margin=np.concatenate([run.margin for run in runs]),
        clean=np.concatenate([run.clean for run in runs]),
        queries=np.concatenate([run.queries for run in runs]),
        cost=np.sum([run.cost for run in runs], axis=0),
        seconds=max(run.seconds for run in runs),
        batch=runs[0].batch,
        undecided=np.concatenate([run.undecided for run in runs]),
    )


def count_queries(correct: Flags, adversarial: Flags, run: AttackRun) -> dict[str, Any]:
    """Return how many queries each of n samples took to its first success, (n,), and the most that one took at all.

    The query of the clean sample counts. It is 0 where that is answered wrong, and inf where no success was found and
    verified.
    """
    queries = np.where(correct, np.inf, 0).astype(np.float32)
    queries[run.rows] = np.where(adversarial[run.rows], run.queries, np.inf)
    return {"queries": queries, "asked": int(run.queries.max(initial=0))}


def sort_inputs(x_adv: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the inputs of the samples `rows` in the samples' order; no inputs on ranks that have none."""
    return pick_rows(x_adv, np.argsort(rows)) if len(x_adv) else x_adv


class BatchOutcome(NamedTuple):
    """The outcome of an attack on m samples as its driver judged it, before verification."""

    adversarial: Flags  # (m,)
    faulty: Flags  # (m,)
    margin: NDArray[np.float32]  # (m,)
    clean: NDArray[np.float32]  # (m,)
    forwards: NDArray[np.int64]  # (m,)
    backwards: NDArray[np.int64]  # (m,)
    x_adv: NDArray[np.float32]  # (adversarial, *shape)
    theta: Thetas  # (m, 4)


def run_batches(attack: AttackFunction, samples: Samples, batcher: Batcher, copies: int = 1) -> BatchOutcome:
    """Run `attack(x, y, index)` on each batch; if it returns None it was stopped, and the samples end there."""
    spool = Spool(samples.x.shape[1:])

    def run_batch(x: Tensor, y: Tensor, index: Tensor) -> tuple[Tensor, ...] | None:
        outcome = attack(x, y, index)
        if outcome is None:
            return None
        spool.add(outcome.x_adv[outcome.adversarial].cpu().numpy())
        margins = outcome.margin, outcome.clean
        passes = outcome.cost.forwards, outcome.cost.backwards
        return outcome.adversarial, outcome.faulty, *margins, *passes, *outcome.theta.unbind(1)

    types = bool, bool, np.float32, np.float32, np.int64, np.int64, *[np.float32] * WIDTH
    found = batcher.columns(run_batch, samples, *types, copies=copies)
    adversarial, faulty, margin, clean, forwards, backwards, *theta = found
    return BatchOutcome(adversarial, faulty, margin, clean, forwards, backwards, spool.array(), np.column_stack(theta))


class Verified(NamedTuple):
    """The inputs of m samples, verified exactly as they will be stored."""

    adversarial: Flags  # (m,)
    fault: Faults  # (m,): of the inputs that were not verified
    x_adv: NDArray[np.float32]  # (adversarial, *shape)
    undecided: Flags  # (m,): adversarial, since the test of random answers did not decide


def verify_found(
    module: nn.Module, samples: Samples, outcome: BatchOutcome, threat: Threat, options: RunOptions
) -> Verified:
    """Verify the inputs that an attack found for m samples.

    Of a model that answers at random the attack's test is no more than a proposal: to be answered right is no fault.
    """
    attacked, fault = samples.take(np.flatnonzero(outcome.adversarial)), np.zeros(len(samples), np.int8)
    theta = outcome.theta[outcome.adversarial]
    verification = verify(module, candidates_of(attacked, outcome.x_adv, threat, options.batcher.size, theta))
    found, undecided = verification.fault, np.zeros(len(samples), bool)
    if options.draws:
        found = np.where(found == CLEAN_WRONG, 0, found).astype(np.int8)
    adversarial = outcome.adversarial.copy()
    adversarial[outcome.adversarial] = found == 0
    undecided[outcome.adversarial] = (found == 0) & verification.undecided
    fault[outcome.adversarial] = np.where(found == ANSWERED_RIGHT, 0, found) if draws_of(module) else found
    return Verified(adversarial, fault, pick_rows(outcome.x_adv, np.flatnonzero(found == 0)), undecided)


def candidates_of(
    samples: Samples, x_adv: NDArray[np.float32], threat: Threat, batch: int, theta: Thetas | None = None
) -> Candidates:
    """Return x_adv, (n, *shape), as candidates for the n samples; theta is (n, 4)."""
    bounds, word = (threat.lo, threat.hi), str(threat)
    rules = (word, bounds, batch, samples.criterion, tables_of(word), samples.layout_text)
    return Candidates(x_adv, samples.x, samples.y, *rules, theta, samples.find_resized(word))
