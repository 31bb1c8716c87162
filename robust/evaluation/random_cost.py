"""The cost of attacks on a model that answers at random, told before they begin."""

from collections.abc import Callable, Sequence
from typing import Any

from robust.attacks.draws import LOOKED_AT, Draws
from robust.attacks.engine import AnyAttack, rounds_of
from robust.attacks.factory import make
from robust.attacks.text import format_seconds
from robust.attacks.threats.threat import Threat
from robust.evaluation.ladder import count_passes

GRADIENT = 3.0  # passes of a step of an attack that no word names; the backward pass counts as two

Load = Callable[[str], Any]


def describe_random_cost(draws: str, passes: int, n: int, pace: float) -> str:
    """Return, in words, what attacks on n samples take whose steps take so many passes, and what tests take beside.

    The pace is the seconds that LOOKED_AT draws of a sample take, as `CleanResult.pace` is.
    """
    seconds = format_seconds(passes / LOOKED_AT * n * pace)
    line = f"{n} samples, at most about {passes:,} passes of each and about {seconds}, beside the tests"
    return f"{line}; {Draws.parse(draws).describe_cost()}"


def count_random_passes(attacks: Sequence[tuple[str | AnyAttack, Threat | None]], load: Load) -> int:
    """Count the passes of a sample that the steps of attacks take at most, each under all parts of its threat model.

    A step takes LOOKED_AT draws of its own, and as many to look at where it leads. One without a threat is not run.
    """
    times = (len(threat.parts) * _count_step_passes(attack, load) for attack, threat in attacks if threat is not None)
    return round(LOOKED_AT * sum(times))


def _count_step_passes(attack: str | AnyAttack, load: Load) -> float:
    steps = sum(
        (part.steps + 1) * getattr(part, "starts", 1)
        for part, _ in rounds_of(make(attack, load) if isinstance(attack, str) else attack)
    )
    own = count_passes(attack, load) if isinstance(attack, str) else GRADIENT * steps
    return own + steps
