"""Attacks made of attacks."""

from dataclasses import dataclass
from typing import Generic

from robust.attacks.engine import Attack, S, Task


@dataclass(frozen=True, slots=True)
class Restarts(Generic[S]):
    """`attack` again and again, each time with fresh random numbers, on the samples that still stand."""

    attack: Attack[S]
    restarts: int = 5

    def __post_init__(self) -> None:
        if self.restarts < 1:
            raise ValueError(f"restarts must be at least 1, got {self.restarts}")

    @property
    def steps(self) -> int:
        return self.restarts * self._round - 1

    @property
    def _round(self) -> int:
        return self.attack.steps + 1  # its init is a step of ours, but for the first

    def init(self, task: Task) -> S:
        return self.attack.init(task.fold(0))

    def step(self, task: Task, state: S, k: int) -> S:
        r, j = divmod(k + 1, self._round)
        if j == 0:
            return self.attack.init(task.fold(r))
        return self.attack.step(task.fold(r), state, j - 1)
