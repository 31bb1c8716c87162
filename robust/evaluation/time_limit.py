"""The time of a run and how its parts share it; and the limits of a suite, which may end once its gate is decided."""

import math
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

TIME, GATE = "time", "gate"  # the reasons why a suite may be stopped before its end
STEP_SHARE = 1 / 32  # of the time of a run: a step of a batch takes no more where a smaller batch helps


@dataclass(frozen=True, slots=True)
class Limits:
    """Conditions for stopping a suite before its end."""

    seconds: float = math.inf
    enough: Callable[[int], bool] = lambda robust: False  # whether that few robust samples decide the gate
    clock: Callable[[], float] = time.monotonic


class Deadline:
    """A moment at which work ends. It is asked where work can be stopped, and notes whether it stopped any."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._end = clock, clock() + seconds
        self.stopped = False

    @property
    def left(self) -> float:
        """The seconds that are left; 0 once it has passed."""
        return max(0.0, self._end - self._clock())

    def has(self, seconds: float) -> bool:
        """Whether so much time is left."""
        return not self() and seconds <= self.left

    def __call__(self) -> bool:
        """Whether to stop: the deadline has passed."""
        self.stopped = self.stopped or self._clock() >= self._end
        return self.stopped


class Budget:
    """The time of a run, shared among its parts, and begun at its first test.

    A part gets its share, by weight, of the time that is left as it begins. So what one does not need goes to the
    next. Of several processes each expects to run an equal share of the parts, and all end at the same moment.
    """

    def __init__(
        self, seconds: float | None = None, processes: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._processes, self._clock = seconds, processes, clock
        self._weights: dict[Hashable, float] = {}
        self._begun: set[Hashable] = set()
        self._end = math.inf

    @property
    def unlimited(self) -> bool:
        """Whether the run has all the time that it needs."""
        return self._seconds is None

    @property
    def moment(self) -> float:
        """The seconds that a step, which nothing interrupts, may take at most."""
        return math.inf if self._seconds is None else STEP_SHARE * self._seconds

    def plan(self, weights: dict[Hashable, float]) -> None:
        """Say which parts will ask for their share, and how much each weighs."""
        self._weights = weights

    def start(self) -> None:
        """Start the clock; only the first call does."""
        if self._seconds is not None and math.isinf(self._end):
            self._end = self._clock() + self._seconds

    def take(self, part: Hashable) -> float:
        """Return the seconds that a part may take from now on; one that asks again gets a share again."""
        weight = self._weights.get(part, 1.0)
        planned = sum(self._weights.values()) / self._processes
        ahead = planned - sum(self._weights[begun] for begun in self._begun if begun != part)
        self._begun |= {part} & self._weights.keys()
        return max(0.0, self._end - self._clock()) * weight / max(weight, ahead)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock for the length of a block, as of a training: cut short, it would be of no use."""
        since = self._clock()
        try:
            yield
        finally:
            self._end += self._clock() - since
