"""Balls of several inputs, each part's of its own: "image=linf:8/255;meta=linf:0.1"."""

import re
from pathlib import Path

from robust.attacks.grammar.corruption import CORRUPTION
from robust.attacks.grammar.family import Family
from robust.attacks.grammar.features import FEATURES
from robust.attacks.grammar.norms import NORMS, parse_threat, threat_text
from robust.attacks.grammar.patch import PATCH
from robust.attacks.grammar.pixels import PIXELS
from robust.attacks.grammar.spatial import SPATIAL

PRODUCT = "product"
PART = re.compile(r"\s*([^=:;+,\s]+)\s*=\s*([^=;]+:[^=;]+)")  # of a product: its name, and its ball
FAMILY = re.compile(r"\s*[^=:;+,\s]+\s*=\s*([\w-]+)\s*:")  # the word before the colon of a part's threat
ONE_INPUT = {
    FEATURES: "a table's file",
    PATCH: "a patch",
    PIXELS: "a number of pixels",
    SPATIAL: "a turn",
    CORRUPTION: "a corruption",
}
PARTS = "a name of the data's dict, or 0, 1, ... of a tuple; a part that is not named is fixed: docs/several-inputs.md"


def is_product(text: str) -> bool:
    """Whether a threat model, or a part of a union, names the parts of several inputs."""
    return ";" in text or any(PART.match(part) for part in text.split("+"))


def split_product(text: str) -> dict[str, str]:
    """Return the balls of a product, "image=linf:8/255;meta=linf:0.1", by the names of their parts, sorted by these.

    Raise ValueError, in one line, for what is no product of balls.
    """
    balls: dict[str, str] = {}
    for piece in text.split(";"):
        if (named := FAMILY.match(piece)) and named[1] in ONE_INPUT:
            what = f"{ONE_INPUT[named[1]]} is for one input"
            raise ValueError(f"{text!r}: a part's threat is a ball, of {', '.join(NORMS)}; {what}")
        if not (match := PART.fullmatch(piece)):
            form = "write PART=NORM:EPS for each input that may change, as image=linf:8/255;meta=linf:0.1"
            raise ValueError(f"{text!r}: {piece.strip()!r} names no part and its ball; {form}")
        name, ball = match[1], match[2].strip()
        if name in balls:
            raise ValueError(f"{text!r} gives {name} twice")
        try:
            balls[name] = threat_text(*parse_threat(ball))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return dict(sorted(balls.items()))


def _canonical(text: str, folder: Path) -> str:
    """Return a product with its parts sorted, and each ball as it is spelled alone; no file is read."""
    return ";".join(f"{name}={ball}" for name, ball in split_product(text).items())


SEVERAL = Family(
    PRODUCT,
    "PART=NORM:EPS;PART=NORM:EPS",
    "of several inputs each that is named has a ball: image=linf:8/255;meta=l2:1",
    (("PART", PARTS),),
    _canonical,
)
