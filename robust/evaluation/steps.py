"""The steps of an attack as they are taken: each tells how far the attack is, and asks whether its time is up."""

import math
from collections.abc import Callable

from robust.evaluation.time_limit import Deadline


class Steps:
    """Counts the steps of `expected`, and stops the attack at its deadline."""

    def __init__(self, expected: int, deadline: Deadline | None, watch: Callable[[float], None]) -> None:
        self._expected, self._deadline, self._watch = max(1, expected), deadline, watch
        self._taken = 0

    def __call__(self) -> bool:
        """Whether to stop before the next step."""
        self._taken += 1
        self._watch(min(1.0, self._taken / self._expected))
        return self._deadline is not None and self._deadline()


def count_steps(rounds: list[int], samples: int, batch: int) -> int:
    """Count the steps of rounds of so many steps each, on all batches of the samples."""
    return sum(steps + 1 for steps in rounds) * math.ceil(samples / batch)
