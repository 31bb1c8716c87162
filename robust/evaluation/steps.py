"""The steps of an attack as they are taken: each tells how far the attack is, and asks whether its time is up."""

import math
from collections.abc import Callable

from robust.evaluation.time_limit import Deadline

FIRST = 2  # calls up to the first step: an attack asks as it enters a round, and before each step


class Steps:
    """Counts the steps of `expected`, and stops the attack at its deadline, but not before `least` calls."""

    def __init__(
        self, expected: int, deadline: Deadline | None, watch: Callable[[float], None], least: int = FIRST
    ) -> None:
        self._expected, self._deadline, self._watch, self._least = max(1, expected), deadline, watch, least
        self._taken = 0

    @property
    def over(self) -> bool:
        """Whether to stop before the next batch, or the next step: the first batch takes one step at least."""
        return self._deadline is not None and self._taken >= self._least and self._deadline()

    def __call__(self) -> bool:
        """Whether to stop before the next step."""
        over = self.over
        self._taken += 1
        self._watch(min(1.0, self._taken / self._expected))
        return over


def count_steps(rounds: list[int], samples: int, batch: int) -> int:
    """Count the steps of rounds of so many steps each, on all batches of the samples."""
    return sum(steps + 1 for steps in rounds) * math.ceil(samples / batch)
