"""The cost of a forward pass of one module beside that of another: time, and energy where the processor counts it."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from robust.attacks.engine import eval_mode

PAIRS, CALLS = 15, 4  # both are asked in turn, so that a busy machine slows both
COUNTER = Path("/sys/class/powercap/intel-rapl:0/energy_uj")  # microjoules of the package; mostly for root alone


class ForwardCost(NamedTuple):
    """Medians of ratios: below 1 the first module is cheaper."""

    time: float
    energy: float | None  # None where nothing can be read


def compare_forwards(module: nn.Module, other: nn.Module, x: Tensor) -> ForwardCost:
    """Return the cost of `module` at the inputs x, (n, *shape), over that of `other`."""
    times, energies = [], []
    with eval_mode(module), eval_mode(other), torch.no_grad():
        for each in (module, other):
            each(x)
        for _ in range(PAIRS):
            (seconds, joules), (other_seconds, other_joules) = (_measure(lambda m=m: m(x)) for m in (module, other))  # type: ignore[misc]
            times.append(seconds / other_seconds)
            if joules and other_joules:
                energies.append(joules / other_joules)
    return ForwardCost(statistics.median(times), statistics.median(energies) if len(energies) == PAIRS else None)


def _measure(call: Callable[[], Tensor]) -> tuple[float, int]:
    """Return (seconds, microjoules or 0) of a few calls."""
    began, before = time.perf_counter(), _read_energy()
    for _ in range(CALLS):
        answer = call()
    if answer.is_cuda:
        torch.cuda.synchronize(answer.device)
    seconds, after = time.perf_counter() - began, _read_energy()
    return seconds, max(0, after - before)


def _read_energy() -> int:
    """Return the counter of the processor; 0 where there is none that may be read."""
    try:
        return int(COUNTER.read_text("ascii"))
    except (OSError, ValueError):
        return 0
