"""The grammar of threat models as users write them: "linf:8/255", "features:FILE.toml", the union "linf:0.1+l2:0.5".

The words of each family are a file of `grammar/`, and an entry of `WORDS`. No torch in this file: collecting tests
reads threat models, and must stay instant.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import lru_cache
from math import isfinite
from pathlib import Path

from robust.attacks.grammar import corruption, spatial
from robust.attacks.grammar.corruption import PICTURES
from robust.attacks.grammar.features import FEATURES, ROWS
from robust.attacks.grammar.norms import L1, L2, LINF, NORMS, parse_threat
from robust.attacks.grammar.patch import WINDOW
from robust.attacks.grammar.pixels import SPARSE, find_pixels
from robust.attacks.grammar.product import PRODUCT, SEVERAL, is_product, split_product
from robust.attacks.grammar.spatial import TURNS
from robust.attacks.grammar.universal import STICKER, UNIVERSAL, is_universal
from robust.attacks.registry import suggest
from robust.attacks.text import slug

WORDS = {family.name: family for family in (LINF, L2, L1, SPARSE, ROWS, SEVERAL, WINDOW, STICKER, TURNS, PICTURES)}
FAMILIES = tuple(WORDS)  # of threat models: the word before the colon; a product names parts
STEPPED = tuple(name for name, family in WORDS.items() if family.has_steps)  # what follows gradients is for these
TYPED = tuple(name for name in FAMILIES if name not in (PRODUCT, UNIVERSAL))  # which users write before a colon
# What stands behind a colon in a threat model, by the threat model that it is a word of.
BEHIND = {**spatial.WORD_OF, **corruption.WORD_OF, "universal": "patch:5x5:universal=true"}
EACH = tuple(name for name in FAMILIES if name != UNIVERSAL)  # of which each sample has an input of its own
# Attacks that need no gradient.
GRADIENT_FREE = (
    *("corruptions", "decision", "evolve", "grid", "hopskipjump", "noise", "patch-rs", "rays", "search", "sparse-rs"),
    *("square", "universal-patch", "worstof"),
)
COUNTED = ("decision", "hopskipjump", "noise", "rays", "search", "square")  # those that make one query a step


def canonical_threat(text: str, folder: Path = Path()) -> str:
    """Return a threat model, or a union such as "linf:8/255+l2:0.5", in its canonical spelling.

    A file in it is read, below `folder`, and named by its content: "features:loans-1a2b3c4d". Raise ValueError, in one
    line, for what is no threat model, and for what is wrong with the file.
    """
    return _canonical_union(text) if FEATURES not in text else _spell(text, folder)


@lru_cache(256)  # thousands of records have the same few
def _canonical_union(text: str) -> str:
    return _spell(text, Path())


def _spell(text: str, folder: Path) -> str:
    return "+".join(_spell_part(part.strip(), folder) for part in text.split("+"))


def _spell_part(text: str, folder: Path) -> str:
    """Spell a part of a union; a word that is like no family's is read as a norm, whose error says what is known."""
    family = family_of(text)
    if family not in WORDS and (meant := find_pixels(text)):
        raise ValueError(f"{text!r}: write {meant}")
    if family not in WORDS and (example := BEHIND.get(text.partition("=")[0].strip())):
        raise ValueError(f"{text!r} is no threat model, but a word of one; join it with a colon, as in {example}")
    others = [name for name in TYPED if name not in NORMS]
    if family not in WORDS and get_close_matches(family, others):
        raise ValueError(f"{text!r}: unknown threat model {suggest(family, TYPED)}")
    return WORDS.get(family, LINF).canonical(text, folder)


def family_of(part: str) -> str:
    """Return the family of a threat model that is no union: "linf", "features", "product"."""
    if is_product(part):
        return PRODUCT
    return UNIVERSAL if is_universal(part) else part.partition(":")[0]


def parts_of(threats: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the parts that products among the threat models change, sorted."""
    products = [part for threat in threats for part in threat.split("+") if is_product(part)]
    return tuple(sorted({name for product in products for name in split_product(product)}))


def families_of(threats: Iterable[str]) -> set[str]:
    """Return the families of threat models, and of the parts of unions."""
    return {family_of(part) for threat in threats for part in threat.split("+")}


def has_eps(threat: str) -> bool:
    """Whether a threat model is one ball, whose eps is one number: no union, and no table."""
    return "+" not in threat and family_of(threat) in NORMS


def explain_threat(text: str) -> str:
    """Return what a threat model lets an attacker do, in plain words; "" of norms, tables and several inputs."""
    told = (WORDS[family_of(part)].explain(part) for part in text.split("+") if family_of(part) in WORDS)
    return " ".join(filter(None, told))


def describe_threat(text: str, lo: float, hi: float) -> str:
    """Return a threat model with its linf eps in shares of the range of the inputs, unless that is 1 wide.

    "linf:8/255 = 1.6 % of -1..1 (4/255 of 0..1)": whoever thinks of inputs in [0, 1] sees another ball.
    """
    return " + ".join(_describe_ball(part, lo, hi) for part in text.split("+")) if hi - lo != 1 else text


def _describe_ball(text: str, lo: float, hi: float) -> str:
    if family_of(text) not in NORMS:
        return text
    norm, eps = parse_threat(text)
    if norm != "linf":
        return text
    share = float(eps) / (hi - lo)
    percent = f"{100 * share:.2g}" if share < 0.1 else f"{100 * share:.0f}"
    return f"{text} = {percent} % of {lo:g}..{hi:g} ({255 * share:.3g}/255 of 0..1)"


def tell_theta(threat: str, theta: Sequence[float]) -> str:
    """Return in a few words what a theta, padded with NaN, did to an input; "" if no part of the threat has it."""
    numbers = [number for number in theta if isfinite(number)]
    for family in (WORDS[family_of(part)] for part in threat.split("+")):
        if family.tell is not None and family.numbers == len(numbers):
            return family.tell(numbers)
    return ""


@lru_cache(256)
def threat_slug(text: str) -> str:
    """Return a threat model as part of node ids and folders: "linf-8_255"."""
    return slug(text.replace(":", "-"))
