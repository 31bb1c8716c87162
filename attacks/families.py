"""The families of threat models that an attack is for. No torch in this file.

An attack says so with a class variable, `families`; one that says nothing is for the norms alone.
"""

from collections.abc import Iterator
from typing import Any

from robust.attacks.words import FEATURES, NORMS, PRODUCT

INSTEAD = {FEATURES: "capgd, frank-wolfe, evolve, pgd or noise", PRODUCT: "pgd, apgd, fgsm, search or noise"}


def check_family(attack: Any, threat: Any) -> None:
    """Raise ValueError, in one line, if an attack, or a part of one, is not for a part of the threat model."""
    for part in threat.parts:
        if reason := find_unfit(attack, part.norm):
            raise ValueError(reason)


def find_unfit(attack: Any, family: str) -> str:
    """Return why an attack is not for a family of threat models; "" if it is."""
    for inner in _list_inner(attack):
        fitting = getattr(inner, "families", NORMS)
        if family not in fitting:
            name = getattr(inner, "attack_name", type(inner).__name__.lower())
            instead = f"; use {INSTEAD[family]}" if family in INSTEAD else "; use pgd, apgd or noise"
            return f"{name} is for {', '.join(fitting)}, the threat is {family}{instead}"
    return ""


def _list_inner(attack: Any) -> Iterator[Any]:
    """Yield the attacks of a plan, each without what is wrapped around it."""
    for part in [round_.attack for round_ in attack.rounds()] if hasattr(attack, "rounds") else [attack]:
        inner = part
        while (deeper := getattr(inner, "attack", None)) is not None:
            inner = deeper
        yield inner
