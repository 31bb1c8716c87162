"""What a certification will cost: measured on a few samples before it starts, since it may be seconds or days."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from robust.certification.certify import Certifier
from robust.certification.interrupt import StoppedError, until
from robust.certification.words import METHODS
from robust.data.dataset import Samples
from robust.flags import Flags

FEW = 8  # samples that each method is timed on; fewer where a batch is smaller


@dataclass(frozen=True, slots=True)
class Cost:
    """What each method takes."""

    paces: dict[str, float]  # seconds a sample, of the methods that there was time to try
    n: int  # samples to certify
    processes: int = 1

    def share(self, method: str, left: int) -> float:
        """Return which share of the work is done, at most, once a method has so many samples left to bound."""
        total, done = self.n * sum(self.paces.values()), 0.0
        for each, pace in self.paces.items():
            done += pace * (self.n - left if each == method else self.n)
            if each == method:
                break
        return done / total if total else 0.0

    def limit(self, seconds: float) -> dict[str, int]:
        """Return how many samples a batch of each method may have to take so many seconds at most."""
        return {method: max(1, int(min(seconds / pace, 2**20))) for method, pace in self.paces.items()}

    def describe(self) -> str:
        """Return one line: the most that it takes, since a dearer method bounds only what the cheaper leave open."""
        if not self.paces:
            return f"{self.n} samples to certify"
        most = self.n * sum(self.paces.values()) / self.processes
        each = ", ".join(f"{method} {_format(pace)}" for method, pace in self.paces.items())
        return f"{self.n} samples to certify, at most about {_format(most)}; a sample: {each}"


def measure_cost(
    certifier: Certifier, samples: Samples, correct: Flags, method: str, stop: Callable[[], bool] = lambda: False
) -> Cost:
    """Time a method and those before it on a few of the samples that are marked `correct`, (n,), until `stop`."""
    paces: dict[str, float] = {}
    rows = np.flatnonzero(correct)
    for each in METHODS[: METHODS.index(method) + 1] if len(rows) else ():
        some = samples.take(rows[: min(FEW, certifier.batch(each))])
        began = time.perf_counter()
        try:
            with until(stop):
                certifier.bound(torch.tensor(some.x[:]), torch.from_numpy(some.y), each)
        except StoppedError:
            break
        paces[each] = (time.perf_counter() - began) / len(some)
    return Cost(paces, len(rows))


def _format(seconds: float) -> str:
    """Return a duration as "0.004 s", "50 s", "3.5 min" or "12 h"."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.2g} s" if seconds < 100 else f"{seconds:.0f} s"
