"""From a user's words to an attack: "pgd:steps=40:restarts=5" is Restarts(PGD(steps=40), 5)."""

from dataclasses import Field, fields, is_dataclass
from typing import Any

from robust.attacks.catalogue import ATTACKS
from robust.attacks.combine import Restarts
from robust.attacks.engine import Attack
from robust.attacks.spec import Spec, configure


def make(text: str | Spec) -> Attack[Any]:
    """The attack that `text` describes; LookupError for an unknown name, ValueError for a wrong option.

    `restarts=R` goes with every attack, and wraps it.
    """
    spec = Spec.parse(text) if isinstance(text, str) else text
    cls, own = ATTACKS.get(spec.name), spec.without("restarts")
    read = getattr(cls, "from_spec", None)  # an attack of another library reads its own options
    attack: Attack[Any] = read(own) if read else configure(cls, own)
    wrap = Spec(spec.name, options=tuple(pair for pair in spec.options if pair[0] == "restarts"))
    return configure(Restarts, wrap, attack=attack) if wrap.options else attack


def describe(attack: Attack[Any]) -> str:
    """The word for an attack object: that of PGD(steps=40) is "pgd:steps=40". Defaults are left out."""
    inner, spec = getattr(attack, "attack", None), Spec(type(attack).__name__.lower())
    if inner is not None:  # a combinator is an option of what it wraps
        spec = Spec.parse(describe(inner))
    found = dict(spec.options)
    options: tuple[Field[Any], ...] = fields(attack) if is_dataclass(attack) else ()
    for option in options:
        value = getattr(attack, option.name)
        if isinstance(value, bool | int | float | str) and (inner is not None or value != option.default):
            found[option.name] = value
    return str(Spec(spec.name, spec.args, tuple(sorted(found.items()))))
