"""The grammar of threat models as users write them: "linf:8/255", and "linf:8/255+l2:0.5" for a union.

No torch in this file: collecting tests reads threat models, and must stay instant.
"""

import re
from fractions import Fraction
from functools import lru_cache

from robust.attacks.registry import suggest
from robust.attacks.synonyms import look_up_synonym, plain
from robust.attacks.text import slug

NORMS = ("linf", "l2", "l1")
NUMBER = r"[+-]?[\d.]{1,40}(e[+-]?\d{1,3})?"  # with bounds: exact fractions grow with the exponent


def parse_threat(text: str) -> tuple[str, Fraction]:
    """Read "linf:8/255" as ("linf", Fraction(8, 255)).

    Raise ValueError if the norm is unknown, or eps is missing, not a number or not above 0.
    """
    norm, _, radius = text.strip().partition(":")
    if (norm not in NORMS or "_" in radius) and (meant := _read_loosely(text)):
        raise ValueError(f"{text!r}: write {'NORM:EPS, as ' * text.strip()[:1].isdigit()}{meant}")
    if norm not in NORMS:
        raise ValueError(f"{text!r}: unknown norm {suggest(norm, NORMS)}; write NORM:EPS, as linf:8/255")
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


@lru_cache(256)  # thousands of records have the same few
def canonical_threat(text: str) -> str:
    """Return a threat model, or a union such as "linf:8/255+l2:0.5", in its canonical spelling.

    Raise ValueError as `parse_threat` does.
    """
    return "+".join(threat_text(*parse_threat(part)) for part in text.split("+"))


def describe_threat(text: str, lo: float, hi: float) -> str:
    """Return a threat model with its linf eps in shares of the range of the inputs, unless that is 1 wide.

    "linf:8/255 = 1.6 % of -1..1 (4/255 of 0..1)": whoever thinks of inputs in [0, 1] sees another ball.
    """
    return " + ".join(_describe_ball(part, lo, hi) for part in text.split("+")) if hi - lo != 1 else text


def _describe_ball(text: str, lo: float, hi: float) -> str:
    norm, eps = parse_threat(text)
    if norm != "linf":
        return text
    share = float(eps) / (hi - lo)
    percent = f"{100 * share:.2g}" if share < 0.1 else f"{100 * share:.0f}"
    return f"{text} = {percent} % of {lo:g}..{hi:g} ({255 * share:.3g}/255 of 0..1)"


@lru_cache(256)
def threat_slug(text: str) -> str:
    """Return a threat model as part of node ids and folders: "linf-8_255"."""
    return slug(text.replace(":", "-"))
