"""The inner search of adversarial training, as the threat model has it."""

from typing import Any

from robust.attacks.engine import Attack
from robust.attacks.threats.transform import Transform
from robust.attacks.zoo.pgd import PGD
from robust.attacks.zoo.worstof import WorstOf


def search_under(threat: object, attack: PGD) -> Attack[Any]:
    """Return the attack; under a threat model that transforms, the worst of as many random draws.

    There the loss has many maxima, and draws find more than steps along a gradient do (1712.02779).
    """
    return WorstOf(attack.steps, attack.loss) if isinstance(threat, Transform) else attack
