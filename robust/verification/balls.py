"""Balls measured again: the norms in float64 with numpy, and eps read from the text of a threat model."""

import re
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robust.flags import Flags

# Share of eps. Adding in another order moves a float64 sum by 1e-14 at most, and two neighbouring float32 inputs are
# 1e-8 apart: so nothing passes that is larger by one rounding of an input, and nothing fails for the order of the sum.
SLACK = 1e-12

Floats = NDArray[np.float64]
MAX_DIGITS = 60  # of an eps as it is written, whose exact fraction grows with the exponent


class Ball(NamedTuple):
    """All perturbations of a norm up to eps."""

    norm: str
    eps: float

    def measure(self, d: Floats) -> Floats:
        """Return the length of each perturbation, (n,), for d, (n, features)."""
        return measure_norm(self.norm, d)

    def contains(self, d: Floats) -> Flags:
        """Return (n,): whether each perturbation of d, (n, features), is no larger than eps; False if not finite."""
        small: Flags = self.measure(d) <= self.eps * (1 + SLACK)
        return small


def read_ball(text: str) -> Ball:
    """Read "linf:8/255"; ValueError for an eps whose exact fraction would be huge, or that is no number."""
    norm, _, eps = text.partition(":")
    if len(eps) > MAX_DIGITS or re.search(r"e[+-]?\d{4}", eps):
        raise ValueError(f"a threat model with eps of more than {MAX_DIGITS} digits, or with a huge exponent")
    return Ball(norm, _read_eps(eps))


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
