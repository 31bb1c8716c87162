"""One window of an image, in which all may change: "patch:5x5", or "patch:20%x20%" of its sides, "patch:2%" of it."""

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from robust.attacks.grammar.family import Family

PATCH = "patch"
SIDES = "rows and columns in pixels, each or both in per cent of that side of the inputs: 5x5, 20%x20%, 3x10%"
AREA = "in place of both: the largest square within so many per cent of the pixels, as patch:2%"
FORM = (
    "write patch:HxW, as patch:5x5, or in per cent of the sides, patch:20%x20%, or of the area, patch:2%; with "
    ":universal=true behind it, one patch serves all"
)
NOT_UNIVERSAL = re.compile(r":\s*universal\s*=\s*false\s*$", re.IGNORECASE)  # what is meant without it
LENGTH = r"\d{1,9}(?:\.\d{1,9})?%|\d{1,9}"
WORD = re.compile(rf"({LENGTH})(?:[x*\u00d7]({LENGTH}))?", re.IGNORECASE)


class PatchSize(NamedTuple):
    """The size of a patch as it is written: two sides, or one share of the area."""

    sides: tuple[str, ...]  # "5", or "20%" of that side of the inputs; alone "2%" of their area

    def __str__(self) -> str:
        return "x".join(self.sides)

    def describe(self) -> str:
        """Return the size in words: "5x5 (rows x columns)"."""
        return f"a square of {self} of the pixels" if len(self.sides) == 1 else f"{self} (rows x columns)"

    def fit_shape(self, shape: Sequence[int]) -> tuple[int, int]:
        """Return (height, width) on inputs of this shape, (*channels, rows, columns); ValueError for no image."""
        if len(shape) < 2:
            what = (
                f"a patch is for images, whose last two axes are rows and columns; the inputs have the shape {[*shape]}"
            )
            raise ValueError(f"{PATCH}:{self}: {what}")
        return self.fit(*shape[-2:])

    def fit(self, rows: int, columns: int) -> tuple[int, int]:
        """Return (height, width) in pixels on inputs of this size: shares are rounded down, to one pixel at least.

        ValueError if nothing of the input would be left.
        """
        if len(self.sides) == 1:
            height = width = max(1, math.isqrt(math.floor(_share(self.sides[0]) * rows * columns)))
        else:
            height, width = (_count(side, of) for side, of in zip(self.sides, (rows, columns), strict=True))
        if height > rows or width > columns or (height, width) == (rows, columns):
            raise ValueError(
                f"patch:{self} is {height}x{width} pixels, and the inputs have {rows}x{columns}; take less"
            )
        return height, width


def parse_patch(text: str) -> PatchSize:
    """Read "patch:5x5", "patch:20%x20%" or "patch:2%"; ValueError, in one line, for anything else."""
    word, _, size = text.strip().partition(":")
    match = WORD.fullmatch(size.replace(" ", ""))
    if word != PATCH or match is None or (match[2] is None and "%" not in match[1]):
        raise ValueError(f"{text!r}: {FORM}")
    sides = tuple(map(_spell, filter(None, match.groups())))
    for side in sides:
        if _share(side) == 0:
            raise ValueError(f"{text!r}: a patch has at least one pixel, got {side}")
        if "%" in side and _share(side) > 1:
            raise ValueError(f"{text!r}: at most 100 per cent, got {side}")
    return PatchSize(sides)


def _spell(side: str) -> str:
    """Spell a side without needless digits: "05" as "5", "20.0%" as "20%"."""
    number = f"{float(side.rstrip('%')):.10g}"
    return f"{number}%" if side.endswith("%") else str(int(side))


def _share(side: str) -> Fraction:
    """Return the share of "20%", 1/5; of pixels their number."""
    return Fraction(side.rstrip("%")) / (100 if "%" in side else 1)


def _count(side: str, of: int) -> int:
    return max(1, math.floor(_share(side) * of)) if "%" in side else int(side)


def _canonical(text: str, folder: Path) -> str:
    """Return a patch in its canonical spelling; no file is read."""
    return f"{PATCH}:{parse_patch(NOT_UNIVERSAL.sub('', text))}"


def _explain(word: str) -> str:
    """Return what a patch may do, in plain words."""
    return (
        f"One patch: within one window of {parse_patch(word).describe()} every pixel may become anything, wherever the "
        "attacker puts it; all else stays as it is. Each sample has a place and a patch of its own, as a sticker made "
        "for that one image."
    )


WINDOW = Family(
    PATCH,
    "patch:HxW",
    "all values within one window of the image, anywhere in it: patch:5x5",
    (("HxW", SIDES), ("AREA%", AREA)),
    _canonical,
    explain=_explain,
)
