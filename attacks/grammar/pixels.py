"""A few pixels, however much they change: "l0:20"."""

import re
from pathlib import Path

from robust.attacks.grammar.family import Family

PIXELS = "l0"
COUNT = "a whole number of pixels above 0; all channels of a pixel count as one, and so does each value of a vector"
LOOSE = re.compile(r"(?:l[\s_-]?0|sparse|pixels?)[\s:=_(-]*([0-9]+)\s*\)?", re.IGNORECASE)  # "L0:20", "l_0 = 20"


def parse_pixels(text: str) -> int:
    """Read "l0:20" as 20; ValueError for what is no whole number above 0."""
    count = text.strip().partition(":")[2].strip()
    if not re.fullmatch(r"[1-9][0-9]{0,8}", count):
        expected = "K, the number of pixels that may change, must be a whole number above 0, as in l0:20"
        raise ValueError(f"{text!r}: {expected}, got {count!r}")
    return int(count)


def find_pixels(text: str) -> str:
    """Return what is meant by "L0:20" or "l_0 = 20", as it is to be typed; "" if it is not of pixels."""
    match = LOOSE.fullmatch(text.strip())
    return f"{PIXELS}:{int(match[1])}" if match and int(match[1]) else ""


def _canonical(text: str, folder: Path) -> str:
    """Return the canonical spelling, "l0:20"; no file is read."""
    return f"{PIXELS}:{parse_pixels(text)}"


def _explain(word: str) -> str:
    """Return what may be done under "l0:20", in plain words."""
    count = parse_pixels(word)
    few = f"{count} pixels of an input, whichever they are" if count > 1 else "one pixel of an input, whichever it is"
    return (
        f"{word}: an attacker may change {few}, each to any value the data can have; all others stay as they are. The "
        "colours of a pixel change together and count as one; of an input that is no image, each number is a pixel."
    )


SPARSE = Family(
    PIXELS,
    "l0:K",
    "at most K pixels change, each to any value, all its channels together: l0:20",
    (("K", COUNT),),
    _canonical,
    explain=_explain,
)
