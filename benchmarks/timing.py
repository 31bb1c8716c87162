"""Compare the time and memory of two runs in one process."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import torch

Run = Callable[[], object]


# Of this process. With one thread it is the wall time of a quiet machine; on a busy one it leaves out what others took.
CLOCK = time.process_time


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median seconds of both sides. `times` is the median of the rounds' own ratios: a busy round slows both sides."""

    ours: float
    theirs: float
    times: float


def in_turns(benchmark: Any, ours: Run, theirs: Run, rounds: int) -> Ratio:
    """Time theirs, ours, theirs, ours, ...; `benchmark` is the fixture of pytest-benchmark, whose table shows ours."""
    own: list[float] = []
    others: list[float] = []
    benchmark.pedantic(partial(_clocked, ours, own), setup=partial(_clocked, theirs, others), rounds=rounds)
    ratio = Ratio(median(own), median(others), median(a / b for a, b in zip(own, others, strict=True)))
    benchmark.extra_info["theirs"], benchmark.extra_info["ratio"] = ratio.theirs, ratio.times
    return ratio


def _clocked(run: Run, seconds: list[float]) -> None:
    begun = CLOCK()
    run()
    seconds.append(CLOCK() - begun)


def peak_bytes(run: Run) -> int:
    """The most memory that tensors held at once, on the CPU, above what they held before.

    From the allocator's own events, which torch's profiler records: unlike a process' resident size they are the same
    in every run, but do not tell of scratch space that a kernel takes for itself.
    """
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        run()
    assert profile.profiler is not None
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return int(most)
