"""Linear relations between the features of a table, as users write them: "spending <= income", "a + 2 * b == c".

No torch in this file: collecting tests reads threat models, and must stay instant.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from robust.attacks.registry import suggest

COMPARISON = re.compile(r"<=|>=|==|<|>|(?<![<>=!])=(?!=)|!=")
MEANT = {"<": "<=", ">": ">=", "=": "=="}
NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?", re.IGNORECASE)
WORD = re.compile(r"[^\s+*<>=]+")


@dataclass(frozen=True, slots=True)
class Relation:
    """The sum of `weights` times the features, and `constant`: 0, or unless `equal` at most 0."""

    text: str
    weights: tuple[float, ...]  # (features,)
    constant: float
    equal: bool


def read_relation(text: str, names: Sequence[str]) -> Relation:
    """Read a relation between features of these names; ValueError, in one line, for what is none."""
    try:
        left, sign, right = _split(text, names)
        (a, b), (c, d) = _read_sum(left, names), _read_sum(right, names)
    except ValueError as error:
        raise ValueError(f"relation {text!r}: {error}") from None
    turn = -1.0 if sign == ">=" else 1.0
    weights = tuple(turn * (x - y) for x, y in zip(a, c, strict=True))
    if not any(weights):
        raise ValueError(f"relation {text!r}: no feature is left in it")
    return Relation(text, weights, turn * (b - d), sign == "==")


def _split(text: str, names: Sequence[str]) -> tuple[str, str, str]:
    """Return (left side, comparison, right side); a name may hold signs, as "job=none"."""
    masked = text
    for name in sorted(names, key=len, reverse=True):
        masked = masked.replace(name, "x" * len(name))
    found = [*COMPARISON.finditer(masked)]
    if len(found) != 1:
        raise ValueError(f"expected one of <=, >= and == in it, got {len(found)}")
    (match,) = found
    if match[0] not in ("<=", ">=", "=="):
        raise ValueError(f"write {MEANT.get(match[0], '==')} in place of {match[0]}")
    return text[: match.start()], match[0], text[match.end() :]


def _read_sum(text: str, names: Sequence[str]) -> tuple[list[float], float]:
    """Read "2 * a - b + 1" as (weights by feature, constant)."""
    weights, constant, rest = [0.0] * len(names), 0.0, text.strip()
    first = True
    while rest or first:
        sign, rest = (-1.0 if rest[:1] == "-" else 1.0), (rest[1:].strip() if rest[:1] in ("+", "-") else rest)
        factor, name, rest = _read_term(rest, names)
        if name is None:
            constant += sign * factor
        else:
            weights[names.index(name)] += sign * factor
        first = False
        if rest and rest[0] not in "+-":
            raise ValueError(f"expected + or -, got {rest!r}; it must be linear")
    return weights, constant


def _read_term(text: str, names: Sequence[str]) -> tuple[float, str | None, str]:
    """Return (factor, feature or None, the rest) of "2 * a ...", "a * 2 ..." or "2 ..."."""
    name, rest = _read_name(text, names)
    if name is not None:
        if match := re.match(r"\*\s*" + NUMBER.pattern, rest, re.IGNORECASE):
            return float(match[0].lstrip("* ")), name, rest[match.end() :].strip()
        return 1.0, name, rest
    match = NUMBER.match(text)
    if match is None:
        word = WORD.match(text)
        raise ValueError(f"unknown feature {suggest(word[0], names)}" if word else "a number or a feature is missing")
    factor, rest = float(match[0]), text[match.end() :].strip()
    if not rest.startswith("*"):
        return factor, None, rest
    name, after = _read_name(rest[1:].strip(), names)
    if name is None:
        raise ValueError(f"unknown feature {suggest(rest[1:].strip(), names)}")
    return factor, name, after


def _read_name(text: str, names: Sequence[str]) -> tuple[str | None, str]:
    """Return (the longest name that the text begins with, the rest)."""
    for name in sorted(names, key=len, reverse=True):
        rest = text[len(name) :]
        if text.startswith(name) and not re.match(r"\w", rest):
            return name, rest.strip()
    return None, text


def refuse_impossible(relations: Sequence[Relation], bounds: Sequence[tuple[float, float]]) -> None:
    """Raise ValueError for a relation that no row within the features' bounds keeps."""
    for relation in relations:
        parts = [sorted((w * lo, w * hi)) for w, (lo, hi) in zip(relation.weights, bounds, strict=True)]
        least, most = (relation.constant + sum(part[k] for part in parts) for k in (0, 1))
        if least > 0 or (relation.equal and most < 0):
            raise ValueError(f"relation {relation.text!r}: no row within the features' bounds keeps it")
