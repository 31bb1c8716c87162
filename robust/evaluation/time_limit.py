"""The limits of a suite, which stops before its end at its time limit or once its gate is decided."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

TIME, GATE = "time", "gate"  # the reasons why a suite may be stopped before its end


@dataclass(frozen=True, slots=True)
class Limits:
    """Conditions for stopping a suite before its end."""

    seconds: float = math.inf
    enough: Callable[[int], bool] = lambda robust: False  # whether that few robust samples decide the gate


def is_past(deadline: float) -> bool:
    """Whether the deadline, in seconds of `time.monotonic`, has passed."""
    return time.monotonic() >= deadline
