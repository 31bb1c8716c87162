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
    """Return the balls of a threat model: one of "linf:8/255", two of the union "linf:8/255+l2:0.5"."""
    pairs = [text.split(":") for text in threat.split("+")]
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
    """Return (no larger than eps, inside the bounds), each (n,); in a union one ball is enough.

    The bounds are rounded to the inputs' type: 2.64 is not a float32, and the nearest float32 is a little above it.
    """
    x_adv, x = candidates.x_adv, candidates.x
    small, inside = np.zeros(len(x), bool), np.zeros(len(x), bool)
    lo, hi = np.asarray(candidates.bounds, x_adv.dtype).astype(np.float64)
    balls = read_balls(candidates.threat)
    for rows in row_chunks(len(x)):
        values = flatten(x_adv[rows])
        d = values - flatten(x[rows])
        small[rows] = np.any([ball.contains(d) for ball in balls], axis=0)
        inside[rows] = ((values >= lo) & (values <= hi)).all(1)
    return small, inside


def flatten(x: NDArray[Any]) -> Floats:
    """Return x, (n, *features), as (n, features) in float64."""
    flat: Floats = x.reshape(len(x), -1).astype(np.float64)
    return flat


def row_chunks(n: int, size: int = 64) -> Iterator[slice]:
    """Yield slices of n rows, `size` at a time, since float64 takes twice the memory."""
    return (slice(start, start + size) for start in range(0, n, size))
