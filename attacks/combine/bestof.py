"""Several attacks, one after the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from robust.attacks.engine import AnyAttack, Round, fold, rounds_of


@dataclass(frozen=True, slots=True)
class BestOf:
    """Run every attack on the samples that are robust to those before it: one success makes a sample adversarial."""

    attacks: tuple[AnyAttack, ...]

    def __post_init__(self) -> None:
        if not self.attacks:
            raise ValueError("there is no attack to choose from")

    def rounds(self) -> Iterator[Round]:
        """Yield the rounds of each attack, with random streams of their own."""
        for k, part in enumerate(self.attacks):
            for attack, enter_round in rounds_of(part):
                yield Round(attack, partial(fold, k, enter_round))
