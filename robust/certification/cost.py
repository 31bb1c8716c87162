"""The cost of a certification: measured on a few samples before it starts, since it may be seconds or days."""

import math
import time
from dataclasses import dataclass

import numpy as np
import torch

from robust.certification.certify import Certifier
from robust.certification.interrupt import StoppedError, until
from robust.certification.words import METHODS
from robust.data.dataset import Samples
from robust.flags import Flags

FEW = 8  # samples that each method is timed on; only one where that takes long, and fewer where a batch is smaller
LONG = 0.5  # seconds
MOST = 60.0  # seconds that measuring may take
TIMED = 1 / 8  # of the time for the bounds that measuring may take


@dataclass(frozen=True, slots=True)
class Cost:
    """The time that each method takes."""

    paces: dict[str, float]  # seconds a sample, of the methods that could be timed
    n: int  # samples to certify
    processes: int = 1
    slow: str = ""  # the method that took longer than measuring may, if one did

    def share(self, method: str, left: int) -> float:
        """Return which share of the work is done, at most, once a method has so many samples left to bound."""
        total, done = self.n * sum(self.paces.values()), 0.0
        if method not in self.paces:
            return 0.0
        for each, pace in self.paces.items():
            done += pace * (self.n - left if each == method else self.n)
            if each == method:
                break
        return done / total

    def limit(self, seconds: float) -> dict[str, int]:
        """Return how many samples a batch of each method may have to take so many seconds at most."""
        known = {method: max(1, int(min(seconds / pace, 2**20))) for method, pace in self.paces.items()}
        return dict.fromkeys(METHODS, 1) | known

    def describe(self) -> str:
        """Return one line: the most that it takes, since a dearer method bounds only what the cheaper leave open."""
        line = f"{self.n} samples to certify"
        if self.slow:
            line += f", and one alone takes {self.slow} longer than can be waited for here"
        elif self.paces:
            line += f", at most about {_format(self.n * sum(self.paces.values()) / self.processes)}"
        each = ", ".join(f"{method} {_format(pace)}" for method, pace in self.paces.items())
        return f"{line}; a sample: {each}" if each else line


def measure_cost(
    certifier: Certifier, samples: Samples, correct: Flags, method: str, seconds: float = math.inf
) -> Cost:
    """Time a method and those before it on a few of the samples that are marked `correct`, (n,).

    `seconds` are those that there are for the bounds.
    """
    paces: dict[str, float] = {}
    rows, end = np.flatnonzero(correct), time.perf_counter() + min(MOST, TIMED * seconds)
    for each in METHODS[: METHODS.index(method) + 1] if len(rows) else ():
        try:
            with until(lambda: time.perf_counter() > end):
                paces[each] = _time(certifier, samples.take(rows[:1]), each)
                if paces[each] < LONG:
                    paces[each] = _time(certifier, samples.take(rows[: min(FEW, certifier.batch(each))]), each)
        except StoppedError:
            return Cost(paces, len(rows), slow="" if each in paces else each)
    return Cost(paces, len(rows))


def _time(certifier: Certifier, samples: Samples, method: str) -> float:
    """Return the seconds that the bounds of a sample take."""
    began = time.perf_counter()
    certifier.bound(torch.tensor(samples.x[:]), torch.from_numpy(samples.y), method)
    return (time.perf_counter() - began) / len(samples)


def _format(seconds: float) -> str:
    """Return a duration as "0.004 s", "50 s", "3.5 min" or "12 h"."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.2g} s" if seconds < 100 else f"{seconds:.0f} s"
