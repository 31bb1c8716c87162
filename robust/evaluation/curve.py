"""Measure the curve: the smallest adversarial distance of each sample that a ladder of attacks finds, all verified.

The ladder has rungs, each a round over the samples that are answered right, or over so many as show that it pays:
attacks that seek the smallest perturbation, a descent from what they found, the suite's own attacks in a slightly
smaller ball of each sample, a fine descent, the suite's queries, and at each eps that is listed the suite itself, on
what lies near it. What earlier attacks have found, as a suite at one eps, is where it begins: so at that eps the
accuracy on the curve is at or below theirs.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.criteria.registry import read_criterion
from robust.attacks.fast_copy import FastCopy
from robust.attacks.min_norm import MinNormResult
from robust.attacks.nearest import Search
from robust.attacks.rng import Rng
from robust.attacks.task import Cost
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.transform import WIDTH
from robust.data.dataset import Samples
from robust.data.spool import pick_rows
from robust.evaluation.attack_run import AttackRun, RunOptions
from robust.evaluation.known_distances import Distances, Known, Seeds
from robust.evaluation.ladder import WIDER, Listed, Rung
from robust.evaluation.suite_cache import SuiteCache
from robust.evaluation.suite_run import SuiteRun
from robust.evaluation.time_limit import TIME, Deadline, Limits
from robust.evaluation.trial import Mark, deal, has_paid
from robust.flags import Flags
from robust.verification.check import Faults


@dataclass(frozen=True, slots=True)
class CurveResult:
    """The nearest adversarial input of each of n samples that was found and verified."""

    threat: str  # the end of the curve: "linf:32/255"
    distance: Distances  # (n,): 0 where x itself is answered wrong, inf where no input up to the end was found
    x_adv: NDArray[np.float32]  # (found, *shape): the inputs where the distance is above 0 and finite; the first rank's
    attacks: tuple[str, ...]  # the ladder
    fault: Faults  # (n,): what is wrong with an input that was found and could not be verified
    faulty: int  # samples on which the model gave an answer that is not finite
    forwards: int
    backwards: int
    seconds: float
    partial: str = ""  # why it was stopped before its end
    whole: bool = True  # whether all samples were attacked at least once

    @property
    def found(self) -> Flags:
        """(n,): the samples that `x_adv` has an input of."""
        marks: Flags = (self.distance > 0) & np.isfinite(self.distance)
        return marks

    def robust_at(self, eps: float) -> Flags:
        """Mark the samples, (n,), of which no adversarial input within `eps` was found."""
        marks: Flags = self.distance > eps
        return marks

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the distances, the inputs, and the rows of these, by name."""
        return {"distance": self.distance, "row": np.flatnonzero(self.found), "x_adv": self.x_adv}


@dataclass(frozen=True, slots=True)
class CurveRun:
    """The search for the curve of one model, with everything that a rung depends on except what is known so far."""

    module: nn.Module
    samples: Samples
    threat: LpThreat  # the end of the curve
    rungs: Sequence[Rung]
    options: RunOptions
    fast_copy: FastCopy | None = None
    cache: SuiteCache | None = None
    deadline: Deadline | None = None
    watch: Callable[[str, float], None] = field(default=lambda note, share: None)

    def run(self, correct: Flags, seeds: Sequence[Seeds] = ()) -> CurveResult:
        """Search on the samples in the mask `correct`, (n,), from what the seeds know of them."""
        began, state = time.monotonic(), Known.of(self.samples, correct, self.threat, self.options.ranks)
        for seed in seeds:
            state.take(seed)
        done, total = 0.0, sum(rung.passes for rung in self.rungs)
        stopped = whole = paid = False
        for k, rung in enumerate(self.rungs):
            if rung.follow and not paid:
                continue
            self.watch(rung.name, done / total)
            before = Mark.of(state)
            if not (kept := self._read(k, state)):
                self._climb(k, rung, state)
            paid = has_paid(self.options.ranks.all(before.count(state)), rung.price)
            stopped = self._is_over()
            if not kept and not stopped:
                self._write(k, state)
            done += rung.passes
            whole = whole or not stopped
            if stopped:
                break
        fault = self._verify(state)
        return self._conclude(state, fault, time.monotonic() - began, TIME * stopped, whole)

    def _is_over(self) -> bool:
        return any(self.options.ranks.all(self.deadline is not None and self.deadline()))

    def _climb(self, k: int, rung: Rung, state: Known) -> None:
        """Run a rung on this rank's share of the samples; one that is tried first, on more while that pays."""
        if rung.listed is not None:
            return self._attack(k, rung, state, self._run_suite(rung.listed, state))
        if not rung.few:
            return self._attack(k, rung, state, np.arange(len(state.rows)))
        for rows in deal(np.concatenate(self.options.ranks.all(state.rows))):
            before = Mark.of(state)
            self._attack(k, rung, state, np.flatnonzero(np.isin(state.rows, rows)))
            if self._is_over() or not has_paid(self.options.ranks.all(before.count(state)), rung.price):
                break
        return None

    def _run_suite(self, listed: Listed, state: Known) -> NDArray[np.int64]:
        """Run a suite at an eps on the samples that lie near it. Returns the places of this rank that only it broke.

        Those that lie a little within are attacked as well: a stage that is tried on few samples goes on where that
        pays, and these show it. Each sample has the random numbers that it has in a run of the suite on all samples.
        """
        ranks, eps = self.options.ranks, float(listed.eps)
        near, beyond = np.zeros(len(self.samples), bool), np.zeros(len(self.samples), bool)
        for rows, distance in ranks.all((state.rows, state.distance)):
            near[rows] = (distance > eps / WIDER) & (distance <= WIDER * eps)
            beyond[rows] = near[rows] & (distance > eps)
        if not beyond.any():
            return np.flatnonzero(beyond)
        found = SuiteRun(
            module=self.module,
            samples=self.samples,
            suite=listed.suite,
            threat=replace(self.threat, eps=listed.eps),
            classes=listed.classes,
            options=self.options,
            fast_copy=self.fast_copy,
            limits=Limits() if self.deadline is None else Limits(self.deadline.left),
        ).run(near)
        state.take(ranks.once(lambda: Seeds(np.flatnonzero(found.adversarial), found.x_adv)))
        state.cost += [found.forwards * ranks.first, found.backwards * ranks.first]
        return np.flatnonzero((found.adversarial & beyond)[state.rows])

    def _attack(self, k: int, rung: Rung, state: Known, places: NDArray[np.int64]) -> None:
        """Run a rung on the samples at these places, of this rank's."""
        stop, criterion = self.deadline or (lambda: False), read_criterion(self.samples.criterion)

        def climb(x: Tensor, y: Tensor, place: Tensor) -> None:
            at = place.cpu().numpy()
            distance, x_adv = state.distance[at], state.x_adv[at]
            result = MinNormResult(
                torch.from_numpy(distance).to(x.device, torch.float32 if x.device.type == "mps" else torch.float64),
                torch.from_numpy(x_adv).to(x.device),
                torch.zeros(len(x), dtype=torch.bool, device=x.device),
                Cost(*(torch.zeros(len(x), dtype=torch.int64, device=x.device) for _ in range(2))),
            )
            index = torch.from_numpy(state.index[at]).to(x.device)
            rng = Rng.of(self.options.seed, index).fold(k)
            model = self.fast_copy or self.module
            yielding = torch.from_numpy(state.yielding[at]).to(x.device)
            search = Search(model, x, y, self.threat, rng, result, yielding, stop, criterion)
            rung.run(search)
            state.note(at, result)
            state.yielding[at] = search.yielding.cpu().numpy()

        numbered = replace(state.samples.take(places), index=places)
        self.options.ranks.agree(lambda: self.options.batcher.each(climb, numbered, rung.copies))

    def _verify(self, state: Known) -> Faults:
        """Verify what was found, exactly as it will be stored; what only rounding hinders is moved a little."""
        return self.options.ranks.agree(lambda: state.verify(self.module, self.options.batcher.size))

    def _conclude(self, state: Known, fault: Faults, seconds: float, partial: str, whole: bool) -> CurveResult:
        ranks, n = self.options.ranks, len(self.samples)
        parts = ranks.all((state.rows, state.distance, fault, state.faulty, state.cost))
        rows = np.concatenate([part[0] for part in parts])
        distance, faults = np.zeros(n), np.zeros(n, np.int8)
        distance[rows] = np.concatenate([part[1] for part in parts])
        faults[rows] = np.concatenate([part[2] for part in parts])
        inputs, order = self._join(state, [part[1] for part in parts]), np.concatenate([part[0] for part in parts])
        found = order[np.isfinite(distance[order]) & (distance[order] > 0)]
        cost = np.sum([part[4] for part in parts], axis=0)
        return CurveResult(
            threat=str(self.threat),
            distance=distance,
            x_adv=pick_rows(inputs, np.argsort(found)) if len(inputs) else inputs,
            attacks=tuple(rung.name for rung in self.rungs),
            fault=faults,
            faulty=int(sum(part[3].sum() for part in parts)),
            forwards=int(cost[0]),
            backwards=int(cost[1]),
            seconds=seconds,
            partial=partial,
            whole=whole,
        )

    def _join(self, state: Known, distances: list[Distances]) -> NDArray[np.float32]:
        """Join the inputs that were found, by rank; only the first rank has them."""
        own = pick_rows(state.x_adv, np.flatnonzero(np.isfinite(state.distance)))
        return self.options.ranks.inputs(own, [int(np.isfinite(d).sum()) for d in distances])

    def _read(self, k: int, state: Known) -> bool:
        """Read what an earlier run knew after rung k. The first rank reads, since others need not have its disk."""
        cache = self.cache
        if cache is None:
            return False
        run = self.options.ranks.once(lambda: cache.read(k))
        if run is None:
            return False
        state.restore(run)
        self.options.batcher.size = run.batch
        return True

    def _write(self, k: int, state: Known) -> None:
        if (cache := self.cache) is None:
            return
        ranks, found = self.options.ranks, np.isfinite(state.distance)
        parts = ranks.all((state.rows, found, state.cost, state.faulty, state.yielding))
        x_adv = ranks.inputs(pick_rows(state.x_adv, np.flatnonzero(found)), [int(part[1].sum()) for part in parts])
        run = AttackRun(
            rows=np.concatenate([part[0] for part in parts]),
            adversarial=np.concatenate([part[1] for part in parts]),
            x_adv=x_adv,
            fault=np.zeros(sum(len(part[0]) for part in parts), np.int8),
            faulty=np.concatenate([part[3] for part in parts]),
            theta=np.full(
                (sum(len(part[0]) for part in parts), WIDTH), np.nan, np.float32
            ),  # no curve is of transforms
            margin=np.concatenate([part[4] for part in parts]).astype(np.float32),  # there is none: whether it yields
            clean=np.zeros(sum(len(part[0]) for part in parts), np.float32),  # none is needed
            queries=np.zeros(sum(len(part[0]) for part in parts), np.int64),  # likewise
            cost=np.sum([part[2] for part in parts], axis=0),
            seconds=0.0,
            batch=self.options.batcher.size,
            undecided=np.zeros(sum(len(part[0]) for part in parts), bool),
        )
        ranks.once(lambda: cache.write(k, run))
