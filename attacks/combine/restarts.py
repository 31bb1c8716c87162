"""Random restarts: "pgd:restarts=5"."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from robust.attacks.engine import AnyAttack, Round, fold, rounds_of
from robust.attacks.spec import check_at_least_1


@dataclass(frozen=True, slots=True)
class Restarts:
    """Run `attack` repeatedly, with new random numbers each time, on the samples that are still robust."""

    attack: AnyAttack
    restarts: int = 5  # runs of the attack, each from another random start

    def __post_init__(self) -> None:
        check_at_least_1("restarts", self.restarts)

    def rounds(self) -> Iterator[Round]:
        """Yield the rounds of the attack for each restart."""
        for r in range(self.restarts):
            for attack, enter_round in rounds_of(self.attack):
                yield Round(attack, partial(fold, r, enter_round))
