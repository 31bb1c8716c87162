"""Random restarts: "pgd:restarts=5"."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from robust.attacks.engine import AnyAttack, Round, fold, rounds_of


@dataclass(frozen=True, slots=True)
class Restarts:
    """`attack` again and again, each time with fresh random numbers, on the samples that still stand."""

    attack: AnyAttack
    restarts: int = 5

    def __post_init__(self) -> None:
        if self.restarts < 1:
            raise ValueError(f"restarts must be at least 1, got {self.restarts}")

    def rounds(self) -> Iterator[Round]:
        for r in range(self.restarts):
            for attack, enter_round in rounds_of(self.attack):
                yield Round(attack, partial(fold, r, enter_round))
