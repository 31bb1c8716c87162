"""An attack that ends early, as one that is out of time does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from robust.attacks.engine import AnyAttack, Round, rounds_of
from robust.attacks.task import Task


@dataclass(frozen=True, slots=True)
class Until:
    """Run `attack` until `stop` returns True; it is called before the first step of each round, and after each step."""

    attack: AnyAttack
    stop: Callable[[], bool]

    def rounds(self) -> Iterator[Round]:
        """Yield the rounds of the attack."""
        for attack, enter_round in rounds_of(self.attack):
            yield Round(attack, partial(_enter, self.stop, enter_round))


def _enter(stop: Callable[[], bool], enter_round: Callable[[Task], Task], task: Task) -> Task:
    return replace(enter_round(task), stop=stop)
