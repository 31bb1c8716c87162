"""The cost of a certification: measured on a few samples before it starts, since it may be seconds or days."""

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from robust.attacks.text import format_seconds
from robust.certification.certify import Certifier
from robust.certification.interrupt import StoppedError, until
from robust.certification.journal import Known
from robust.certification.words import METHODS
from robust.data.dataset import Samples
from robust.flags import Flags

FEW = 8  # samples that each method is timed on; only one where that takes long, and fewer where a batch is smaller
LONG = 2.0  # seconds
MOST = 60.0  # seconds that measuring may take
TIMED = 1 / 8  # of the time for the bounds that measuring may take


@dataclass(frozen=True, slots=True)
class Cost:
    """The time that each method takes at most, at the pace that was measured."""

    paces: dict[str, float]  # seconds a sample, of the methods that could be timed
    left: dict[str, int]  # samples that each method has still to bound, if the cheaper ones certify none
    processes: int = 1
    slow: str = ""  # the method that took longer than measuring may, if one did
    steps: int = 1  # how often each method bounds a sample

    def share(self, method: str, left: float) -> float:
        """Return which share of the work is done, at most, once a method has so many samples left to bound."""
        total = sum(pace * self.left[each] for each, pace in self.paces.items())
        if method not in self.paces or not total:
            return 0.0
        done = 0.0
        for each, pace in self.paces.items():
            if each == method:
                return (done + pace * max(0, self.left[each] - left)) / total
            done += pace * self.left[each]
        return done / total

    def limit(self, seconds: float) -> dict[str, int]:
        """Return how many samples a batch of each method may have to take so many seconds at most."""
        known = {method: max(1, int(min(seconds / pace, 2**20))) for method, pace in self.paces.items()}
        return dict.fromkeys(METHODS, 1) | known

    def describe(self) -> str:
        """Return one line: the most that it takes, since a dearer method bounds only what the cheaper leave open."""
        line = f"{max(self.left.values())} samples to certify{f' {self.steps} times each' * (self.steps > 1)}"
        if self.slow:
            line += f", and one alone takes {self.slow} longer than can be waited for here"
        elif self.paces:
            seconds = self.steps * sum(pace * self.left[method] for method, pace in self.paces.items())
            line += f", at most about {format_seconds(seconds / self.processes)}"
        each = ", ".join(f"{method} {format_seconds(pace)}" for method, pace in self.paces.items())
        return f"{line}; a sample: {each}" if each else line


def measure_cost(
    certifier: Certifier,
    samples: Samples,
    correct: Flags,
    method: str,
    seconds: float = math.inf,
    known: Known | None = None,
) -> Cost:
    """Time a method and those before it on a few of the samples that they have to bound.

    They are those of n that are marked `correct`, (n,), and not yet `known`. A dearer method is timed on what the
    cheaper leave open, on which it takes longest. `seconds` are those that there are for the bounds.
    """
    known = known or Known.of_none(len(samples))
    methods = METHODS[: METHODS.index(method) + 1]
    left = {each: known.find_left(correct, k) for k, each in enumerate(methods)}
    counts = {each: len(rows) for each, rows in left.items()}
    paces: dict[str, float] = {}
    end, certified = time.perf_counter() + min(MOST, TIMED * seconds), np.zeros(0, np.int64)
    for each in (each for each in methods if left[each].size):
        rows = left[each][:FEW]
        unsure = np.setdiff1d(rows, certified)
        rows = unsure if unsure.size else rows
        try:
            with until(lambda: time.perf_counter() > end):
                for some in (rows[:1], rows[: certifier.batch(each)]):  # the first finds what all samples share, too
                    if each not in paces or paces[each] < LONG:
                        paces[each], margin = _time(certifier, samples.take(some), each)
                        certified = np.union1d(certified, some[margin.numpy() > 0])
        except StoppedError:
            return Cost(paces, counts, slow="" if each in paces else each)
    return Cost(paces, counts)


def _time(certifier: Certifier, samples: Samples, method: str) -> tuple[float, Tensor]:
    """Return the seconds that the bounds of a sample take, and the bounds."""
    began = time.perf_counter()
    margin = certifier.bound(torch.tensor(samples.x[:]), torch.from_numpy(samples.y), method)
    return (time.perf_counter() - began) / len(samples), margin
