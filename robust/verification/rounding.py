"""Adversarial inputs as they would be stored: rounded to the levels that the data's own values keep to.

An input that survives only between two levels is lost when it is saved as a picture (Carlini and Wagner 2017,
1608.04644). Sizes are counted in levels, since the levels are what is stored: as float32 two of them may
lie a rounding further apart than eps.
"""

import numpy as np
from numpy.typing import NDArray
from torch import nn

from robust.data.lazy_inputs import LazyInputs
from robust.data.spool import Spool
from robust.flags import Flags
from robust.verification.check import LARGE, Verification, changed
from robust.verification.distances import SLACK, Floats, Part, chunks, flat, parts

ON = 1e-3  # of a level: so near to it a value is on it, but for float32


def verify_rounded(
    module: nn.Module,
    x_adv: NDArray[np.float32],
    x: NDArray[np.float32] | LazyInputs,
    y: NDArray[np.int64],
    threat: str,
    bounds: tuple[float, float],
    levels: int,
    *,
    batch: int,
) -> Verification:
    """Whether each input still fools the model once it is rounded, for x on levels."""
    stored, held = rounded(x_adv, x, threat, bounds, levels)
    look = changed(module, stored, x, y, batch=batch)
    look.fault[~held] = LARGE
    return look


def on_levels(x: NDArray[np.float32], bounds: tuple[float, float], levels: int) -> bool:
    """Whether every value is one of so many levels, evenly from bound to bound."""
    place = _places(x, bounds, levels)
    return bool((np.abs(place - np.rint(place)) <= ON).all())


def rounded(
    x_adv: NDArray[np.float32],
    x: NDArray[np.float32] | LazyInputs,
    threat: str,
    bounds: tuple[float, float],
    levels: int,
) -> tuple[NDArray[np.float32], Flags]:
    """(x_adv rounded to levels (n, *features), whether that is still in the ball (n,)), for x on levels.

    Each value goes to the nearest level where the ball allows that, those that are nearest to one first; else to the
    next one towards x.
    """
    step = (bounds[1] - bounds[0]) / (levels - 1)
    pile, held = Spool(x_adv.shape[1:]), np.zeros(len(x_adv), bool)
    for rows in chunks(len(x_adv)):
        base = np.rint(_places(x[rows], bounds, levels))
        d = _places(x_adv[rows], bounds, levels) - base
        moved = np.trunc(d)
        for part in reversed(parts(threat)):  # of a union the first ball counts that holds the input
            mine = part.holds(flat(x_adv[rows]) - flat(x[rows]))
            moved[mine] = _in_ball(d[mine], part, step)
            held[rows] |= mine & part.holds(moved * step)
        stored = (bounds[0] + (base + moved) * step).reshape(-1, *x_adv.shape[1:])
        pile.add(stored.astype(np.float32))
    return pile.array(), held


def _in_ball(d: Floats, part: Part, step: float) -> Floats:
    """d, (n, features) in levels, rounded to whole ones: away from 0 only as far as the ball allows it."""
    size = np.floor(np.abs(d))
    rest = np.abs(d) - size
    radius = part.eps * (1 + SLACK) / step
    if part.norm == "linf":
        up = (rest >= 0.5) & (size + 1 <= radius)
    else:
        power = 2 if part.norm == "l2" else 1
        price = np.where(rest >= 0.5, (size + 1) ** power - size**power, 0)
        order = np.argsort(-rest, axis=1, kind="stable")
        left = radius**power - (size**power).sum(1, keepdims=True)
        paid = np.take_along_axis(price, order, 1).cumsum(1) <= left
        up = np.zeros_like(paid)
        np.put_along_axis(up, order, paid, 1)
        up &= rest >= 0.5
    found: Floats = np.copysign(size + up, d)
    return found


def _places(x: NDArray[np.float32], bounds: tuple[float, float], levels: int) -> Floats:
    """Where the values are, counted in levels from the lower bound: (n, features)."""
    return (flat(x) - bounds[0]) * ((levels - 1) / (bounds[1] - bounds[0]))
