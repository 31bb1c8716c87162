"""Adversarial attacks on PyTorch models, usable without pytest.

    from robust.attacks import LpThreat, PGD, assail
    outcome = assail(model, PGD(steps=40), x, y, LpThreat.parse("linf:8/255"))
    robust = ~outcome.fallen

Importing this package imports no torch; the names below do, on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robust.attacks.catalogue import ATTACKS
    from robust.attacks.combine.restarts import Restarts
    from robust.attacks.engine import Attack, Nearest, Outcome, assail, climb, nearest
    from robust.attacks.factory import make
    from robust.attacks.rng import Rng
    from robust.attacks.task import Task
    from robust.attacks.threat import LpThreat, Threat
    from robust.attacks.zoo.fgsm import FGSM
    from robust.attacks.zoo.pgd import PGD

__all__ = [
    "ATTACKS",
    "FGSM",
    "PGD",
    "Attack",
    "LpThreat",
    "Nearest",
    "Outcome",
    "Restarts",
    "Rng",
    "Task",
    "Threat",
    "assail",
    "climb",
    "make",
    "nearest",
]

_HOME = {
    "ATTACKS": "catalogue",
    "FGSM": "zoo.fgsm",
    "PGD": "zoo.pgd",
    "Attack": "engine",
    "LpThreat": "threat",
    "Nearest": "engine",
    "Outcome": "engine",
    "Restarts": "combine.restarts",
    "Rng": "rng",
    "Task": "task",
    "Threat": "threat",
    "assail": "engine",
    "climb": "engine",
    "make": "factory",
    "nearest": "engine",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
