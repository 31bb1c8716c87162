"""A bout: an attack on some samples, dealt out to the ranks; what it did to each, and another look at what it found."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.engine import Outcome
from robust.attacks.threats.threat import Threat
from robust.data.dataset import Samples
from robust.data.spool import Spool, pick_rows
from robust.distributed.ranks import Ranks
from robust.evaluation.batching import Batcher
from robust.flags import Flags
from robust.verification.candidates import Candidates
from robust.verification.check import CLEAN_WRONG, Faults, verify

Attacker = Callable[[Tensor, Tensor, Tensor], Outcome | None]  # (x, y, index); None where it was stopped


@dataclass(frozen=True, slots=True)
class AttackRun:
    """What an attack did to the m samples that it was for."""

    rows: NDArray[np.int64]  # (m,): which of the n samples
    adversarial: Flags  # (m,): by an input that the driver admitted and that was then verified
    x_adv: NDArray[np.float32]  # (broken, *shape): those inputs, which the first rank alone has
    fault: Faults  # (m,): of those that fell to an input that was not verified, what is wrong with that
    faulty: Flags  # (m,): answered with something not finite on the way
    margin: NDArray[np.float32]  # (m,): the largest on the way
    cost: NDArray[np.int64]  # (2,): samples sent forward and backward
    seconds: float
    batch: int  # samples at once, as rounding depends on that

    @property
    def bare(self) -> "AttackRun":
        """All but the inputs."""
        return replace(self, x_adv=self.x_adv[:0])


def run_attack(
    module: nn.Module,
    samples: Samples,
    rows: NDArray[np.int64],
    attack: Attacker,
    threat: Threat,
    feed: Batcher,
    ranks: Ranks,
    *,
    draws: bool = False,
) -> AttackRun:
    """Attack the samples in these rows, dealt out to the ranks; fewer where `attack` was stopped.

    They come in any order; rows that follow each other go to different ranks. Of a model that `draws` see
    `measure_attack`.
    """

    def mine() -> AttackRun:
        began, share = time.monotonic(), rows[ranks.share]
        toll = run_batches(attack, samples.take(share), feed)
        share = share[: len(toll.adversarial)]
        adversarial, fault, x_adv = verify_found(module, samples.take(share), toll, threat, feed, draws=draws)
        return AttackRun(
            rows=share,
            adversarial=adversarial,
            x_adv=x_adv,
            fault=fault,
            faulty=toll.faulty,
            margin=toll.margin,
            cost=np.array([toll.forwards.sum(), toll.backwards.sum()], np.int64),
            seconds=time.monotonic() - began,
            batch=feed.size,
        )

    return _joined(ranks.agreed(mine), ranks)


def _joined(mine: AttackRun, ranks: Ranks) -> AttackRun:
    """What all ranks did; the first has their inputs."""
    bouts = ranks.all(mine.bare)
    return AttackRun(
        rows=np.concatenate([bout.rows for bout in bouts]),
        adversarial=np.concatenate([bout.adversarial for bout in bouts]),
        x_adv=ranks.inputs(mine.x_adv, [int(bout.adversarial.sum()) for bout in bouts]),
        fault=np.concatenate([bout.fault for bout in bouts]),
        faulty=np.concatenate([bout.faulty for bout in bouts]),
        margin=np.concatenate([bout.margin for bout in bouts]),
        cost=np.sum([bout.cost for bout in bouts], axis=0),
        seconds=max(bout.seconds for bout in bouts),
        batch=bouts[0].batch,
    )


def in_order(x_adv: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The inputs of these samples in the samples' order; none where they are the first rank's."""
    return pick_rows(x_adv, np.argsort(rows)) if len(x_adv) else x_adv


class BatchOutcome(NamedTuple):
    """What an attack did to m samples, and the inputs of those that have fallen."""

    adversarial: Flags  # (m,)
    faulty: Flags  # (m,)
    margin: NDArray[np.float32]  # (m,)
    forwards: NDArray[np.int64]  # (m,)
    backwards: NDArray[np.int64]  # (m,)
    x_adv: NDArray[np.float32]  # (fallen, *shape)


def run_batches(attack: Attacker, samples: Samples, feed: Batcher) -> BatchOutcome:
    """Run `attack(x, y, index)` on each batch; where it returns None it was stopped, and the samples end there."""
    pile = Spool(samples.x.shape[1:])

    def told(x: Tensor, y: Tensor, index: Tensor) -> tuple[Tensor, ...] | None:
        outcome = attack(x, y, index)
        if outcome is None:
            return None
        pile.add(outcome.x_adv[outcome.adversarial].cpu().numpy())
        return outcome.adversarial, outcome.faulty, outcome.margin, outcome.cost.forwards, outcome.cost.backwards

    types = bool, bool, np.float32, np.int64, np.int64
    adversarial, faulty, margin, forwards, backwards = feed.columns(told, samples, *types)
    return BatchOutcome(adversarial, faulty, margin, forwards, backwards, pile.array())


def verify_found(
    module: nn.Module, samples: Samples, toll: BatchOutcome, threat: Threat, feed: Batcher, *, draws: bool = False
) -> tuple[Flags, Faults, NDArray[np.float32]]:
    """Verify the very numbers that will be stored.

    Of a model that `draws` see `measure_attack`.
    Returns (broken (m,), what is wrong with the inputs of the others that fell (m,), the inputs of the broken).
    """
    mine, fault = samples.take(np.flatnonzero(toll.adversarial)), np.zeros(len(samples), np.int8)
    candidates = candidates_of(mine, toll.x_adv, threat, feed.size)
    found = verify(module, candidates).fault
    if draws:
        found = np.where(found == CLEAN_WRONG, 0, found)
    fault[toll.adversarial] = found
    return toll.adversarial & (fault == 0), fault, pick_rows(toll.x_adv, np.flatnonzero(found == 0))


def candidates_of(samples: Samples, x_adv: NDArray[np.float32], threat: Threat, batch: int) -> Candidates:
    """Return x_adv, (n, *shape), as candidates for the n samples."""
    return Candidates(x_adv, samples.x, samples.y, str(threat), (threat.lo, threat.hi), batch)
