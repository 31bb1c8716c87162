"""The families of threat models that an attack is for, and under which it is for maps. No torch in this file.

An attack says so with the class variables `families`, without which it is for the norms alone, and `maps`: by family
the options with which it finds every map that can fall of a segmenter whose pixels fall each by itself, and the least
share of right pixels; `BOUND` where it promises nothing. Without `maps` it is let at maps wherever it is for classes.
"""

from collections.abc import Iterator
from typing import Any

from robust.attacks.grammar.corruption import CORRUPTION
from robust.attacks.grammar.features import FEATURES
from robust.attacks.grammar.norms import NORMS
from robust.attacks.grammar.patch import PATCH
from robust.attacks.grammar.pixels import PIXELS
from robust.attacks.grammar.product import PRODUCT
from robust.attacks.grammar.spatial import SPATIAL
from robust.attacks.grammar.universal import UNIVERSAL
from robust.attacks.words import GRADIENT_FREE

CLASSES, MAPS = "class", "map"  # kinds of labels
BOUND = "a bound only"  # in the place of options: it promises nothing, also where the truth is simple
ON_MAPS = "pgd:loss=margin or pgd:loss=mask-ce"
INSTEAD = {
    FEATURES: "capgd, frank-wolfe, evolve, pgd or noise",
    PIXELS: "pgd, spgd, sigma-zero or sparse-rs",
    PRODUCT: "pgd, apgd, fgsm, search or noise",
    SPATIAL: "grid, worstof, pgd or noise",
    UNIVERSAL: "universal-patch, and no other",
    PATCH: "lavan, patch-rs, pgd, apgd or noise",
    CORRUPTION: "corruptions, or a suite, whose stages are each for its own threats",
}
ASKING = {  # in place of an attack that needs no gradient: what needs none, either, as where a model passes none
    FEATURES: "evolve or noise",
    PIXELS: "sparse-rs",
    PRODUCT: "search or noise",
    SPATIAL: "grid, worstof or noise",
    PATCH: "patch-rs or noise",
    "linf": "square, decision or noise",
    "l2": "square, decision or noise",
    "l1": "noise",
}
SHARED = ("l2", "l1")  # norms in which pixels share the ball: what one takes, the others lack
TURNED = (SPATIAL,)  # families that move pixels: of maps, labels would have to move, too


def check_family(attack: Any, threat: Any, criterion: Any) -> None:
    """Raise ValueError, in one line, if an attack, or a part of one, is not for a part of the threat model.

    Or if it is not for labels of the criterion's kind there.
    """
    for part in threat.parts:
        if reason := find_unfit(attack, part.norm, getattr(criterion, "labels", CLASSES)):
            raise ValueError(reason)


def find_unfit(attack: Any, family: str, labels: str = CLASSES) -> str:
    """Return why an attack is not for a family of threat models, or for labels of a kind there; "" if it is."""
    if labels == MAPS and family in TURNED:
        return f"{family} moves pixels, and maps of classes would have to move with them; it is for one label a picture"
    for inner in list_inner(attack):
        name = getattr(inner, "attack_name", type(inner).__name__.lower())
        fitting = getattr(inner, "families", NORMS)
        if family not in fitting:
            following = INSTEAD.get(family, "pgd, apgd or noise")
            asking = name in (word.replace("-", "") for word in GRADIENT_FREE)
            instead = ASKING.get(family, following) if asking else following
            return f"{name} is for {', '.join(fitting)}, the threat is {family}; use {instead}"
        if labels == MAPS and family not in getattr(inner, "maps", fitting):
            return f"{name} is not for maps of classes under {family}, where many pixels must fall; use {ON_MAPS}"
    return ""


def norms_of(threat: Any) -> list[str]:
    """Return the family of a part of a threat model; of a product those of its balls, each once."""
    return sorted({ball.norm for ball in getattr(threat, "balls", {}).values()}) or [threat.norm]


def shares_ball(threat: Any) -> bool:
    """Whether a part of a threat model has a ball in which all pixels share eps."""
    return any(norm in SHARED for norm in norms_of(threat))


def read_claim(attack: Any, threat: Any) -> str:
    """Return the options with which an attack is exact on maps under a part of a threat model, or `BOUND`."""
    maps, norms = getattr(attack, "maps", {}), norms_of(threat)
    if norms == ["linf"]:  # also in a product, where all pixels of all parts move by themselves
        return str(maps.get("linf", BOUND))
    return BOUND if threat.norm == PRODUCT and "l1" in norms else str(maps.get(threat.norm, BOUND))


def list_inner(attack: Any) -> Iterator[Any]:
    """Yield the attacks of a plan, each without what is wrapped around it."""
    for part in [round_.attack for round_ in attack.rounds()] if hasattr(attack, "rounds") else [attack]:
        inner = part
        while (deeper := getattr(inner, "attack", None)) is not None:
            inner = deeper
        yield inner
