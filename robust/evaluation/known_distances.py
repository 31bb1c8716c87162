"""The nearest adversarial inputs that are known while a curve is measured; distances are measured anew, in numpy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from robust.attacks.min_norm import MinNormResult
from robust.attacks.threats.lp import LpThreat
from robust.data.dataset import Samples
from robust.data.spool import Spool, pick_rows
from robust.distributed.ranks import Ranks
from robust.evaluation.attack_run import AttackRun, candidates_of
from robust.flags import Flags
from robust.verification.check import Faults, verify
from robust.verification.distances import flatten, measure_norm, row_chunks

Distances = NDArray[np.float64]
PUSHES = (
    0.0,
    3e-5,
    1e-4,
    1e-3,
    1e-2,
)  # by which an input is moved from the clean one where it is not verified as it is
CHUNK = 4096  # inputs that are copied at once


@dataclass(frozen=True, slots=True)
class Seeds:
    """Verified adversarial inputs that other attacks have found."""

    rows: NDArray[np.int64]  # (k,): of which samples; a sample may come twice
    x_adv: NDArray[np.float32]  # (k, *shape)


@dataclass(slots=True)
class Known:
    """The knowledge of one rank of its share of the samples that are answered right: m of the n samples."""

    samples: Samples
    rows: NDArray[np.int64]  # (m,): which of the n samples
    threat: LpThreat  # the end of the curve
    distance: Distances  # (m,); inf where nothing was found
    x_adv: NDArray[np.float32]  # (m, *shape): x where nothing was found
    faulty: Flags  # (m,)
    yielding: Flags  # (m,): see Search
    cost: NDArray[np.int64]  # (2,)
    first: bool

    @classmethod
    def of(cls, samples: Samples, correct: Flags, threat: LpThreat, ranks: Ranks) -> "Known":
        """Return what is known before the first rung."""
        rows = np.flatnonzero(correct)[ranks.share]
        samples, spool = samples.take(rows), Spool(samples.x.shape[1:])
        for part in row_chunks(len(rows), CHUNK):
            spool.add(np.array(samples.x[part]))
        nothing, faulty, cost = np.full(len(rows), np.inf), np.zeros(len(rows), bool), np.zeros(2, np.int64)
        return cls(samples, rows, threat, nothing, spool.array(), faulty, faulty.copy(), cost, ranks.first)

    @property
    def index(self) -> NDArray[np.int64]:
        """The numbers of the samples in the split, (m,)."""
        return self.samples.index

    @property
    def passes(self) -> int:
        """The passes so far; a backward pass counts as two."""
        return int(self.cost[0] + 2 * self.cost[1])

    def take(self, seeds: Seeds) -> None:
        """Take inputs that are nearer than what is known; those of samples of other ranks are left out."""
        places = {row: at for at, row in enumerate(self.rows.tolist())}
        for row, x_adv in zip(seeds.rows.tolist(), seeds.x_adv, strict=True):
            if row in places:
                self._keep(np.array([places[row]]), np.array(x_adv[None]))

    def restore(self, run: AttackRun) -> None:
        """Take all that an earlier run knew."""
        self.take(Seeds(run.rows[run.adversarial], run.x_adv))
        own = np.isin(run.rows, self.rows)
        self.faulty |= run.faulty[own][np.argsort(run.rows[own])]
        self.yielding |= run.margin[own][np.argsort(run.rows[own])] > 0
        self.cost = run.cost.copy() if self.first else self.cost * 0

    def note(self, at: NDArray[np.int64], result: MinNormResult) -> None:
        """Note what a rung has found of the samples at these places."""
        self._keep(at, result.x_adv.cpu().numpy())
        self.faulty[at] |= result.faulty.cpu().numpy()
        self.cost += [int(result.cost.forwards.sum()), int(result.cost.backwards.sum())]

    def _keep(self, at: NDArray[np.int64], x_adv: NDArray[np.float32]) -> None:
        distance = self._measure(at, x_adv)
        nearer = (distance > 0) & (distance < self.distance[at])
        self.distance[at[nearer]], self.x_adv[at[nearer]] = distance[nearer], x_adv[nearer]

    def _measure(self, at: NDArray[np.int64], x_adv: NDArray[np.float32]) -> Distances:
        """Return the distances of inputs of the samples at these places: measured again, not as the attacks say."""
        distance = np.empty(len(at))
        for part in row_chunks(len(at)):
            distance[part] = measure_norm(
                self.threat.norm, flatten(x_adv[part]) - flatten(np.array(self.samples.x[at[part]]))
            )
        return distance

    def verify(self, module: nn.Module, batch: int) -> Faults:
        """Verify the inputs within the end of the curve; what is not verified, or beyond it, was not found."""
        fault = np.zeros(len(self.rows), np.int8)
        self.distance[self.distance > float(self.threat.eps)] = np.inf
        left = np.flatnonzero(np.isfinite(self.distance))
        for push in PUSHES:
            x_adv = self._push(left, push)
            faults = verify(module, candidates_of(self.samples.take(left), x_adv, self.threat, batch)).fault
            sound, fault[left] = faults == 0, faults
            at = left[sound]
            self.x_adv[at], self.distance[at] = x_adv[sound], self._measure(at, x_adv[sound])
            left = left[~sound]
            if not len(left):
                break
        self.distance[left] = np.inf
        return fault

    def _push(self, at: NDArray[np.int64], push: float) -> NDArray[np.float32]:
        """Return the inputs at these places, further from the clean ones by a share of the distance."""
        if not push:
            return pick_rows(self.x_adv, at)
        x = np.array(self.samples.x[at])
        moved = x + np.float32(1 + push) * (self.x_adv[at] - x)
        bounded: NDArray[np.float32] = np.clip(moved, np.float32(self.threat.lo), np.float32(self.threat.hi))
        return bounded
