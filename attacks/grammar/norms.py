"""The balls of a norm: "linf:8/255", "l2:0.5", "l1:12"."""

import re
from fractions import Fraction
from pathlib import Path

from robust.attacks.grammar.family import Family
from robust.attacks.registry import suggest
from robust.attacks.synonyms import look_up_synonym, plain

NORMS = ("linf", "l2", "l1")
NUMBER = r"[+-]?[\d.]{1,40}(e[+-]?\d{1,3})?"  # with bounds: exact fractions grow with the exponent
OTHERS = "or another threat model, as patch:5x5, l0:20, spatial:rotate=30 or corruption:3"
EPS = "a number above 0, as 0.03 or 8/255, in the units of the data; with + a union, as linf:8/255+l2:0.5"


def parse_threat(text: str) -> tuple[str, Fraction]:
    """Read "linf:8/255" as ("linf", Fraction(8, 255)).

    Raise ValueError if the norm is unknown, or eps is missing, not a number or not above 0.
    """
    norm, _, radius = text.strip().partition(":")
    if (norm not in NORMS or "_" in radius) and (meant := _read_loosely(text)):
        raise ValueError(f"{text!r}: write {'NORM:EPS, as ' * text.strip()[:1].isdigit()}{meant}")
    if norm not in NORMS:
        raise ValueError(f"{text!r}: unknown norm {suggest(norm, NORMS)}; write NORM:EPS, as linf:8/255, {OTHERS}")
    try:
        eps = _read_eps(radius)
        size = float(eps)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise ValueError(f"{text!r}: eps must be a number such as 8/255, as in {norm}:8/255, got {radius!r}") from None
    if size <= 0:  # also what no float can hold
        raise ValueError(f"{text!r}: eps must be above 0, got {radius}")
    return norm, eps


def _read_eps(text: str) -> Fraction:
    """Read "8/255", "0.5/255" or "0.03"; ValueError or ZeroDivisionError for anything else."""
    numerator, denominator = text.split("/") if "/" in text else (text, "1")
    if not all(re.fullmatch(NUMBER, number.strip()) for number in (numerator, denominator)):
        raise ValueError("an exact fraction of such a number would fill the memory")
    return Fraction(numerator) / Fraction(denominator)


def _read_loosely(text: str) -> str:
    """Return what is meant by "Linf:8/255", "l_inf = 8/255" or "8/255" alone, as it is to be typed; "" if unclear."""
    match = re.fullmatch(r"\s*(.*?)[\s:=,(_-]*([\d.][\d./_]*)\s*\)?\s*", text)
    if not match:
        return ""
    word = plain(match[1])
    norm = word if word in NORMS else look_up_synonym("norm", word)
    eps = match[2].replace("_", "/")
    if word in ("", "eps", "epsilon"):
        norm, eps = "linf", f"{eps}/255" if eps.isdigit() and int(eps) > 1 else eps
    try:
        return threat_text(*parse_threat(f"{norm}:{eps}")) if norm else ""
    except ValueError:
        return ""


def threat_text(norm: str, eps: Fraction) -> str:
    """Spell a threat model canonically: short decimals as decimals, 255ths as 255ths ("linf:0.15", "linf:6/255")."""
    decimal = f"{float(eps):.6g}"
    if "e" not in decimal and Fraction(decimal) == eps:
        return f"{norm}:{decimal}"
    if 510 % eps.denominator == 0:  # also half a level, as 0.5/255
        whole, half = divmod(2 * 255 * eps, 2)
        return f"{norm}:{whole}{'.5' if half else ''}/255"
    return f"{norm}:{eps}"


def _canonical(text: str, folder: Path) -> str:
    """Return the canonical spelling of a ball; no file is read."""
    return threat_text(*parse_threat(text))


def _family(norm: str, about: str) -> Family:
    return Family(norm, f"{norm}:EPS", about, (("EPS", EPS),), _canonical)


LINF = _family("linf", "no value changes by more than EPS: linf:8/255")
L2 = _family("l2", "the change has a Euclidean length of at most EPS: l2:0.5")
L1 = _family("l1", "the changes of all values sum to at most EPS: l1:12")
