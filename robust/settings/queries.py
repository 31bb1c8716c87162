"""The queries that attacks may make of a model for each sample: `--robust-queries` becomes steps of attacks."""

from collections.abc import Iterable, Sequence

from robust.attacks.spec import Spec
from robust.attacks.words import COUNTED
from robust.settings.parsing import OptionError, read_whole
from robust.settings.sources import OptionValue

QUERIES = 5000  # of a sample, by the attack on a model that answers with labels alone
LEAST = 10
NOISE = 100  # steps of noise


def read_queries(option: OptionValue) -> int | None:
    """Return how many queries each attack may make of a sample; None if it is not given."""
    return read_whole(option, LEAST)


def spend(attack: str, queries: int, threats: Iterable[str]) -> str:
    """Return the attack, one without options, that makes so many queries of a sample at most.

    The clean sample is one. Under each part of a union the first point is one, and so is each step. OptionError for
    fewer queries than that takes.
    """
    parts = _count_parts(threats)
    if queries < (least := 1 + 2 * parts):
        problem = f"a threat model of {parts} parts takes {least} or more; give more, or fewer parts"
        raise OptionError("queries", str(queries), problem)
    return f"{attack}:steps={(queries - 1) // parts - 1}"


def count_queries(steps: Iterable[int], threat: str) -> int:
    """Return the most queries of a sample that an attack makes whose rounds have so many steps, of one query each."""
    return 1 + _count_parts([threat]) * sum(each + 1 for each in steps)


def fit_queries(attack: str, queries: int | None, threats: Sequence[str], *, named: bool) -> str:
    """Return an attack with as many steps as make so many queries of a sample; itself if no number is given.

    Noise that the user did not name makes no more than it does by default. OptionError for an attack that follows a
    gradient, or that says its own steps, and for fewer queries than a union takes.
    """
    spec = Spec.parse(attack)
    if queries is None or (spec.name == "noise" and not named and queries > _count_parts(threats) * (NOISE + 1)):
        return attack
    if spec.name not in COUNTED:
        fitting = f"{', '.join(COUNTED[:-1])} and {COUNTED[-1]}"
        raise OptionError("queries", str(queries), f"{attack} counts no queries; {fitting} do, by one a step")
    if spec.args or spec.options:
        problem = f"{attack} says its own number; write {spec.name}, or leave --robust-queries out"
        raise OptionError("queries", str(queries), problem)
    return spend(attack, queries, threats)


def _count_parts(threats: Iterable[str]) -> int:
    """Return how many parts the threat model with the most has."""
    return max(len(threat.split("+")) for threat in threats)
