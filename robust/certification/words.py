"""The words of certificates: the methods, and the norms that have bounds. No torch: options are read at the start."""

from robust.attacks.grammar.product import PRODUCT, split_product
from robust.attacks.registry import suggest
from robust.attacks.words import family_of
from robust.certification.errors import NoBoundsError

METHODS = ("ibp", "crown", "alpha-crown")  # the cheapest first; a method means the best of it and of those before
NORMS = ("linf", "l2")


def read_method(text: str) -> str:
    """Return the method of that name; LookupError, with the nearest name, for another."""
    if text not in METHODS:
        raise LookupError(f"unknown method {suggest(text, METHODS)}")
    return text


def refuse_threat(threat: str) -> None:
    """Raise NoBoundsError for a threat model, "linf:8/255+l1:12", of which a part has no bounds."""
    for part in threat.split("+"):
        balls = split_product(part).values() if family_of(part) == PRODUCT else [part]
        if any(family_of(ball) not in NORMS for ball in balls):
            raise NoBoundsError(f"no bounds are known for {part}; certificates are for {' and '.join(NORMS)}")
