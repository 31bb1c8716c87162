"""Features that a user's attack leaves as they are, since its attacker may not change them."""

from collections.abc import Sequence

import numpy as np

from robust.attacks.engine import rounds_of
from robust.attacks.factory import make
from robust.data.dataset import Samples
from robust.evaluation.measure import AttackResult

MIN_INPUTS = 8  # adversarial ones: fewer do not tell what an attack never moves
MIN_MOVED = 1e-6  # of a value: less is rounding


def count_fixed(attacks: Sequence[str], results: Sequence[AttackResult], samples: Samples) -> int:
    """Count the features that no adversarial input of a row moves, if one of its attacks is the user's own; else 0.

    `samples` are those that the attacks were started on, (n, *shape). Attacks of this project move whatever the threat
    model allows.
    """
    if not any(map(_is_own, attacks)):
        return 0
    moved, inputs = np.zeros(samples.x.shape[1:], bool), 0
    for result in results:
        if len(result.adversarial) == len(samples) and len(result.x_adv) == result.adversarial.sum():
            clean = samples.take(np.flatnonzero(result.adversarial)).x[:]
            moved |= (np.abs(result.x_adv - clean) > MIN_MOVED).any(0)
            inputs += len(clean)
    return int((~moved).sum()) if inputs >= MIN_INPUTS else 0


def _is_own(attack: str) -> bool:
    """Whether an attack, given by its spec, is written by the user."""
    try:
        (inner, _), *_ = rounds_of(make(attack))
    except (ValueError, LookupError):  # it loads a surrogate, which only attacks of this project do
        return False
    while hasattr(inner, "attack"):  # a combination wraps another attack
        inner = inner.attack
    return not type(inner).__module__.startswith("robust.")
