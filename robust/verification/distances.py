"""Perturbations measured anew: in float64 with numpy, from the threat model's words and the data's bounds.

Nothing here is shared with the attacks, so that no mistake of theirs is made twice.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robust.data.lazy_inputs import LazyInputs
from robust.flags import Flags

# As a share of eps. A sum in another order moves a float64 by 1e-14 at most, and two float32 inputs lie 1e-8 apart:
# so nothing that is larger by a rounding of an input passes, and nothing fails for the order in which it is added up.
SLACK = 1e-12

Floats = NDArray[np.float64]


class Part(NamedTuple):
    """One ball of a threat model."""

    norm: str
    eps: float

    def holds(self, d: Floats) -> Flags:
        """Whether these perturbations, (n, features), are no larger than eps; False where they are not finite."""
        held: Flags = length(self.norm, d) <= self.eps * (1 + SLACK)
        return held


def parts(threat: str) -> list[Part]:
    """The balls of "linf:8/255", or of the union "linf:8/255+l2:0.5"."""
    pairs = (word.split(":") for word in threat.split("+"))
    return [Part(norm, float(Fraction(eps))) for norm, eps in pairs]


def length(norm: str, d: Floats) -> Floats:
    """||d||, (n,), of d (n, features)."""
    size = np.abs(d)
    found: Floats
    if norm == "linf":
        found = size.max(1)
    elif norm == "l2":
        found = np.sqrt((size * size).sum(1))
    elif norm == "l1":
        found = size.sum(1)
    else:
        raise ValueError(f"unknown norm {norm!r}, expected linf, l2 or l1")
    return found


def within(
    threat: str, bounds: tuple[float, float], x_adv: NDArray[Any], x: NDArray[Any] | LazyInputs
) -> tuple[Flags, Flags]:
    """(no larger than eps, inside the box), each (n,), of inputs (n, *features); of a union one ball is enough.

    The bounds are those that inputs of their type can have: 2.64 is no float32, and the nearest is a little above it.
    """
    small, inside = np.zeros(len(x), bool), np.zeros(len(x), bool)
    lo, hi = np.asarray(bounds, x_adv.dtype).astype(np.float64)
    for rows in chunks(len(x)):
        there, d = flat(x_adv[rows]), flat(x_adv[rows]) - flat(x[rows])
        small[rows] = np.any([part.holds(d) for part in parts(threat)], axis=0)
        inside[rows] = ((there >= lo) & (there <= hi)).all(1)
    return small, inside


def flat(x: NDArray[Any]) -> Floats:
    """(n, features) in float64."""
    found: Floats = x.reshape(len(x), -1).astype(np.float64)
    return found


def chunks(n: int, size: int = 64) -> Iterator[slice]:
    """So many rows at once, since float64 takes twice the memory."""
    return (slice(start, start + size) for start in range(0, n, size))
