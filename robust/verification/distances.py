"""Distances measured again: in float64 with numpy, from the text of the threat model and the bounds of the data.

Nothing here is shared with the attacks, so no mistake of theirs is made twice.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robust.flags import Flags
from robust.verification.candidates import Candidates
from robust.verification.tables import check_rows

# Share of eps. Adding in another order moves a float64 sum by 1e-14 at most, and two neighbouring float32 inputs are
# 1e-8 apart: so nothing passes that is larger by one rounding of an input, and nothing fails for the order of the sum.
SLACK = 1e-12

Floats = NDArray[np.float64]
MAX_DIGITS = 60  # of an eps as it is written, whose exact fraction grows with the exponent


class Ball(NamedTuple):
    """All perturbations of a norm up to eps."""

    norm: str
    eps: float

    def contains(self, d: Floats) -> Flags:
        """Return (n,): whether each perturbation of d, (n, features), is no larger than eps; False if not finite."""
        small: Flags = measure_norm(self.norm, d) <= self.eps * (1 + SLACK)
        return small


def read_balls(threat: str) -> list[Ball]:
    """Return the balls of a threat model: one of "linf:8/255", two of "linf:8/255+l2:0.5"; a table is none."""
    pairs = [text.split(":") for text in threat.split("+") if not text.startswith("features:")]
    if any(len(eps) > MAX_DIGITS or re.search(r"e[+-]?\d{4}", eps) for _, eps in pairs):
        raise ValueError(f"a threat model with eps of more than {MAX_DIGITS} digits, or with a huge exponent")
    return [Ball(norm, _read_eps(eps)) for norm, eps in pairs]


def _read_eps(text: str) -> float:
    """Read "0.5", "8/255" or "0.5/255", which is no literal of Fraction."""
    numerator, _, denominator = text.partition("/")
    return float(Fraction(numerator) / Fraction(denominator or 1))


def measure_norm(norm: str, d: Floats) -> Floats:
    """Return ||d||, (n,), for d, (n, features); ValueError for an unknown norm."""
    absolute = np.abs(d)
    norms: Floats
    if norm == "linf":
        norms = absolute.max(1)
    elif norm == "l2":
        norms = np.sqrt((absolute * absolute).sum(1))
    elif norm == "l1":
        norms = absolute.sum(1)
    else:
        raise ValueError(f"unknown norm {norm!r}, expected linf, l2 or l1")
    return norms


def check_limits(candidates: Candidates) -> tuple[Flags, Flags]:
    """Return (no larger than eps, inside the bounds, or keeping what a table demands), each (n,); one part is enough.

    The bounds are rounded to the inputs' type: 2.64 is not a float32, and the nearest float32 is a little above it.
    """
    x_adv, x = candidates.x_adv, candidates.x
    small, inside = np.zeros(len(x), bool), np.zeros(len(x), bool)
    lo, hi = np.asarray(candidates.bounds, x_adv.dtype).astype(np.float64)
    balls, contents = read_balls(candidates.threat), _find_tables(candidates)
    for rows in row_chunks(len(x)):
        values = flatten(x_adv[rows])
        d = values - flatten(x[rows])
        within = ((values >= lo) & (values <= hi)).all(1)
        parts = [(ball.contains(d), within) for ball in balls]
        parts += [check_rows(content, x_adv[rows], x[rows]) for content in contents]
        near, sound = (np.array([part[k] for part in parts]) for k in (0, 1))
        small[rows] = near.any(0)
        inside[rows] = np.where(small[rows], (near & sound).any(0), sound.any(0))  # of one and the same part
    return small, inside


def _find_tables(candidates: Candidates) -> list[str]:
    """Return the content of each table in the threat model; ValueError if one is missing."""
    words = [part for part in candidates.threat.split("+") if part.startswith("features:")]
    if missing := [word for word in words if word not in candidates.tables]:
        raise ValueError(f"the content of {missing[0]} is missing, by which rows are checked")
    return [candidates.tables[word] for word in words]


def flatten(x: NDArray[Any]) -> Floats:
    """Return x, (n, *features), as (n, features) in float64."""
    flat: Floats = x.reshape(len(x), -1).astype(np.float64)
    return flat


def row_chunks(n: int, size: int = 64) -> Iterator[slice]:
    """Yield slices of n rows, `size` at a time, since float64 takes twice the memory."""
    return (slice(start, start + size) for start in range(0, n, size))
