"""Turning, moving and zooming an image: "spatial:rotate=30:translate=3", "spatial:rotate=10:padding=border"."""

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from robust.attacks.grammar.family import Family
from robust.attacks.registry import suggest

SPATIAL = "spatial"
PADDINGS = ("zeros", "border", "reflect")
INTERPOLATIONS = ("bilinear", "nearest")
KEYS = ("rotate", "translate", "scale", "padding", "interpolation")
WORD_OF = dict.fromkeys(KEYS, f"{SPATIAL}:rotate=30:translate=3")
NUMBER = r"\+?(\d{1,6}(\.\d{1,9})?|\.\d{1,9})"
ROTATE = "degrees, up to 180: the image turns by at most so many, either way"
TRANSLATE = (
    "pixels, 1 or more, as 3, or per cent of the image's height and width, as 10%: how far it moves, along each axis"
)
SCALE = "a factor above 1, up to 4, as 1.2: how many times it is enlarged at most, or made smaller"
PADDING = "what stands where no pixel was: zeros (the default), border or reflect"
INTERPOLATION = "what stands between pixels: bilinear (the default) or nearest"


class Limits(NamedTuple):
    """How far an image may be transformed, and how."""

    rotate: Fraction = Fraction(0)  # degrees
    translate: Fraction = Fraction(0)  # pixels, or a share of each side
    percent: bool = False  # whether `translate` is a share
    scale: Fraction = Fraction(1)
    padding: str = PADDINGS[0]
    interpolation: str = INTERPOLATIONS[0]

    def __str__(self) -> str:
        """Return the canonical spelling; what is as by default is left out."""
        way = f"{_spell(100 * self.translate)}%" if self.percent else _spell(self.translate)
        words = [
            f"rotate={_spell(self.rotate)}" * bool(self.rotate),
            f"translate={way}" * bool(self.translate),
            f"scale={_spell(self.scale)}" * (self.scale != 1),
            f"padding={self.padding}" * (self.padding != PADDINGS[0]),
            f"interpolation={self.interpolation}" * (self.interpolation != INTERPOLATIONS[0]),
        ]
        return ":".join([SPATIAL, *filter(None, words)])


def parse_spatial(text: str) -> Limits:
    """Read "spatial:rotate=30:translate=3:scale=1.2"; ValueError, in one line, for anything else."""
    family, *words = text.strip().split(":")
    if family.strip() != SPATIAL:
        raise ValueError(f"{text!r}: expected {SPATIAL}:rotate=A:translate=T, as {SPATIAL}:rotate=30:translate=3")
    given: dict[str, str] = {}
    for word in words:
        key, sign, value = (part.strip() for part in word.partition("="))
        if key not in KEYS:
            raise ValueError(f"{text!r}: unknown word {suggest(key, KEYS)}; write rotate=30, in degrees")
        if not sign or not value:
            raise ValueError(f"{text!r}: {key} has no value; write {key}={_EXAMPLES[key]}")
        if key in given:
            raise ValueError(f"{text!r} gives {key} twice")
        given[key] = value
    percent = given.get("translate", "").endswith("%")
    limits = Limits(
        rotate=_read(text, "rotate", given.get("rotate", "0"), 180, "degrees from 0 to 180"),
        translate=_read_way(text, given.get("translate", "0")),
        percent=percent,
        scale=_read(text, "scale", given.get("scale", "1"), 4, "a factor from 1 to 4"),
        padding=_choose(text, "padding", given.get("padding", PADDINGS[0]), PADDINGS),
        interpolation=_choose(text, "interpolation", given.get("interpolation", INTERPOLATIONS[0]), INTERPOLATIONS),
    )
    if limits.scale < 1:
        least = f"{float(1 / limits.scale):.3g}" if limits.scale else "1.2"
        raise ValueError(f"{text!r}: scale is a factor of at least 1, both ways; write scale={least}")
    if not limits.rotate and not limits.translate and limits.scale == 1:
        raise ValueError(f"{text!r}: nothing may change; write how far, as {SPATIAL}:rotate=30:translate=3")
    return limits


_EXAMPLES = dict(zip(KEYS, ("30", "3", "1.2", "border", "nearest"), strict=True))


def _read_way(text: str, value: str) -> Fraction:
    if value.endswith("%"):
        return _read(text, "translate", value[:-1].strip(), 100, "per cent from 0 to 100", sign="%") / 100
    way = _read(text, "translate", value, 10**6, "pixels, or per cent with a %")
    if 0 < way < 1:
        share = f"{_spell(100 * way)}%"
        raise ValueError(f"{text!r}: translate is in pixels, and {value} is less than one; for a share write {share}")
    return way


def _read(text: str, key: str, value: str, most: int, unit: str, sign: str = "") -> Fraction:
    number = Fraction(value) if re.fullmatch(NUMBER, value) else None
    if number is None or number > most:
        raise ValueError(f"{text!r}: {key} is in {unit}, as {key}={_EXAMPLES[key]}{sign}, got {value!r}")
    return number


def _choose(text: str, key: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{text!r}: unknown {key} {suggest(value, known)}")
    return value


def _spell(number: Fraction) -> str:
    return f"{float(number):.9f}".rstrip("0").rstrip(".")


def _canonical(text: str, folder: Path) -> str:
    """Return the canonical spelling; no file is read."""
    return str(parse_spatial(text))


def _explain(text: str) -> str:
    """Return in a sentence what an attacker may do."""
    limits = parse_spatial(text)
    pixels = f"{_spell(limits.translate)} pixel{'s' * (limits.translate != 1)}"
    way = f"{_spell(100 * limits.translate)} % of its height and width" if limits.percent else pixels
    parts = [
        f"turned by up to {_spell(limits.rotate)} degrees, either way" * bool(limits.rotate),
        f"moved by up to {way} along each axis" * bool(limits.translate),
        f"enlarged up to {_spell(limits.scale)} times, or made as many times smaller" * (limits.scale != 1),
    ]
    *others, last = filter(None, parts)
    done = f"{', '.join(others)} and {last}" if others else last
    outside = {"zeros": "has the value 0", "border": "repeats the border", "reflect": "is the image reflected"}
    between = "values between pixels are interpolated" if limits.interpolation == "bilinear" else "pixels are copied"
    together = ", all at once" * bool(others)
    return f"An image may be {done}{together}; what comes in from outside {outside[limits.padding]}, and {between}."


def _tell(theta: Sequence[float]) -> str:
    """Return how an image was transformed: "turned 12.5° left, moved 1.2 px right and 0.5 px up"."""
    angle, right, down, enlarged = (float(f"{number:.3g}") for number in theta)
    ways = [f"{abs(right):g} px {'right' if right > 0 else 'left'}" * bool(right)]
    ways += [f"{abs(down):g} px {'down' if down > 0 else 'up'}" * bool(down)]
    moved = " and ".join(filter(None, ways))
    parts = [
        f"turned {abs(angle):g}° {'left' if angle > 0 else 'right'}" * bool(angle),
        f"moved {moved}" * bool(moved),
        f"enlarged {enlarged:g} times" * (enlarged != 1),
    ]
    return ", ".join(filter(None, parts)) or "not changed"


TURNS = Family(
    SPATIAL,
    "spatial:rotate=A:translate=T:scale=S:padding=P:interpolation=I",
    "an image is turned, moved or enlarged: spatial:rotate=30:translate=3",
    (("A", ROTATE), ("T", TRANSLATE), ("S", SCALE), ("P", PADDING), ("I", INTERPOLATION)),
    _canonical,
    explain=_explain,
    numbers=4,
    tell=_tell,
)
