"""Certify radii: the largest ball around each sample that a bound proves, below where an adversarial input is known.

By bisection, of all samples of a batch at once, each with a radius of its own. The cheapest method comes first; where
it ends, the next one begins. A radius counts only if a bound has proved it, so what is known at any time is true. Where
all that is asked is proved, the adversarial distance itself is asked last: a bound that proves this contradicts the
attacks.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from robust.certification.certify import TIME, Certifier, bound_together
from robust.certification.journal import Journal
from robust.certification.words import METHODS
from robust.data.dataset import Samples
from robust.records.radii import Radii, round_down

STEPS = 8  # bisections by each method, at most
NEAR = 1 / 120  # of the largest radius in question: what is known so nearly is not bisected further
WIDER = 2.0  # times what is proved: no radius beyond is asked next, since bounds of larger balls take longer

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Aim:
    """Where the search for the certified radii of n samples begins, and where it ends."""

    known: Floats  # (n,): radii that are proved
    distance: Floats  # (n,): to an adversarial input; inf where none is known, 0 where x itself is answered wrong
    end: float  # the largest radius that is asked for
    kept: tuple[float, ...] = ()  # radii that are not rounded, where they are proved

    @property
    def cap(self) -> Floats:
        """(n,): the largest radius that each sample is bounded at."""
        return np.minimum(self.distance, self.end)

    def store(self, radius: Floats) -> NDArray[np.float32]:
        """Return radii as they are stored; one that contradicts the attacks is above the distance also then."""
        stored, beyond = round_down(radius, self.kept), (radius > 0) & (radius >= self.distance)
        stored[beyond] = np.nextafter(self.distance[beyond].astype(np.float32), np.float32(np.inf))
        return stored

    def hash(self, certifier: str) -> str:
        """Return a hash of all that the search depends on; `certifier` is that of the bounds."""
        parts = (
            certifier.encode(),
            self.known.tobytes(),
            self.cap.tobytes(),
            str((self.end, STEPS, NEAR, WIDER)).encode(),
        )
        return hashlib.sha256(b"|".join(parts)).hexdigest()


@dataclass(slots=True)
class Reached:
    """The state of n samples: what is proved, and what may still be."""

    low: Floats  # (n,): the largest radius that is proved
    high: Floats  # (n,): the smallest that the present method could not prove; inf for none
    step: NDArray[np.int16]  # (n,): how many bisections are done, of all methods together
    seconds: float = 0.0

    @classmethod
    def read(cls, journal: Journal, aim: Aim) -> "Reached":
        """Return what an earlier run knew, or what is known before the first step."""
        arrays = journal.ranks.once(lambda: journal.read_arrays(cls.__slots__))
        n = len(aim.known)
        if arrays is None or len(arrays[0]) != n:
            return cls(aim.known.copy(), np.full(n, np.inf), np.zeros(n, np.int16))
        low, high, step, seconds = arrays
        return cls(np.array(low, np.float64), np.array(high, np.float64), np.array(step, np.int16), float(seconds))

    def begin(self, k: int, aim: Aim) -> NDArray[np.int64]:
        """Return the samples to bound in step number k; those that are settled are taken to have passed it."""
        rows = np.flatnonzero((self.step == k) & (aim.distance > 0))
        if k % STEPS == 0:
            self.high[rows] = np.inf  # nothing has failed by this method
        settled = (self.high - self.low <= NEAR * aim.cap)[rows] | (self.low >= aim.cap)[rows]
        self.step[rows[settled]] = k + 1
        return rows[~settled]

    def aim_at(self, rows: NDArray[np.int64], aim: Aim) -> Floats:
        """Return the radii that the samples of these rows are bounded at next."""
        low, cap = self.low[rows], aim.cap[rows]
        middle = (low + np.minimum(self.high[rows], cap)) / 2
        middle = np.where(low > 0, np.minimum(middle, WIDER * low), middle)
        return np.where(cap - low <= NEAR * cap, cap, middle)

    def add(self, rows: NDArray[np.int64], radius: Floats, margin: NDArray[np.float32], k: int) -> None:
        """Add the bounds of the samples of these rows."""
        proved = margin > 0
        self.low[rows[proved]], self.high[rows[~proved]] = radius[proved], radius[~proved]
        self.step[rows] = k + 1

    def describe(self, method: str) -> str:
        """Return how far the search is, in words; "" before its first step."""
        if not self.step.any():
            return ""
        return (
            f"{np.minimum(self.step / count_steps(method), 1).mean():.0%} of the bisections of {len(self.step)} radii"
        )


def count_steps(method: str) -> int:
    """Return how many bisections of a sample a method and those before it make at most."""
    return STEPS * (METHODS.index(method) + 1)


@dataclass(frozen=True, slots=True)
class RadiusSearch:
    """The search for the certified radii of n samples. Each batch is shared out to the ranks of the journal."""

    certifier: Certifier
    samples: Samples
    aim: Aim
    stop: Callable[[], bool] = lambda: False  # asked in every step
    watch: Callable[[str, float], None] = lambda method, left: None  # how many samples a method has still to search
    journal: Journal = field(default_factory=Journal)

    def run(self, method: str) -> Radii:
        """Search by a method of METHODS and those before it."""
        reached, ranks, ended = Reached.read(self.journal, self.aim), self.journal.ranks, ""
        try:
            for k, rows, left in self._batches(reached, method):
                self.watch(METHODS[k // STEPS], left)
                if not self._step(reached, rows, k):
                    ended = TIME
                    break
        except KeyboardInterrupt:
            self.journal.write(reached, now=True)
            raise
        ranks.agree(partial(self.journal.write, reached, now=True))
        return Radii(method, self.aim.store(reached.low), reached.seconds, ended)

    def _batches(self, reached: Reached, method: str) -> Iterator[tuple[int, NDArray[np.int64], float]]:
        """Yield (the number of a step, the samples to bound in it, how many its method has still to search)."""
        for k in range(count_steps(method)):
            rows = reached.begin(k, self.aim)
            size = self.certifier.batch(METHODS[k // STEPS]) * self.journal.ranks.size
            for start in range(0, len(rows), size):
                yield k, rows[start : start + size], ((STEPS - k % STEPS) * len(rows) - start) / STEPS

    def _step(self, reached: Reached, rows: NDArray[np.int64], k: int) -> bool:
        """Bound a batch in step number k. Returns whether there was time for it."""
        began, radius, ranks = time.perf_counter(), reached.aim_at(rows, self.aim), self.journal.ranks
        some, method = self.samples.take(rows), METHODS[k // STEPS]
        margin = bound_together(self.certifier, some, method, self.stop, ranks, radius)
        if margin is None:
            return False
        reached.add(rows, radius, margin, k)
        reached.seconds += time.perf_counter() - began
        ranks.agree(partial(self.journal.write, reached))
        return True
