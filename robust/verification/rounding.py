"""Verify adversarial inputs as they would be stored: rounded to the levels that the data's own values have.

An input that is adversarial only between two levels is lost when it is saved as an image (Carlini and Wagner 2017,
1608.04644). Distances are counted in levels, since the levels are what is stored: as float32, two levels may be one
rounding further apart than eps.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from robust.data.spool import Spool
from robust.flags import Flags
from robust.verification.candidates import Candidates
from robust.verification.check import LARGE, Verification, check_answers
from robust.verification.distances import SLACK, Ball, Floats, flatten, read_balls, row_chunks
from robust.verification.patches import check_patch, is_patch
from robust.verification.pixels import check_pixels, read_pixels
from robust.verification.transforms import check_transform, is_transform

TOLERANCE = 1e-3  # in levels: a value that is closer to a level has that level, stored as float32


def verify_rounded(module: nn.Module, candidates: Candidates, levels: int) -> Verification:
    """Check that each candidate still fools the model after rounding; the clean inputs must be on the levels."""
    stored, small = round_to_levels(candidates, levels)
    verification = check_answers(module, replace(candidates, x_adv=stored))
    verification.fault[~small] = LARGE
    return verification


def on_levels(x: NDArray[np.float32], bounds: tuple[float, float], levels: int) -> bool:
    """Whether every value is one of `levels` evenly spaced values from the lower to the upper bound."""
    place = _count_levels(x, bounds, levels)
    return bool((np.abs(place - np.rint(place)) <= TOLERANCE).all())


def round_to_levels(candidates: Candidates, levels: int) -> tuple[NDArray[np.float32], Flags]:
    """Return (x_adv rounded to the levels (n, *features), whether the result is still allowed (n,)).

    The clean inputs must be on the levels. Each value goes to the nearest level if the ball allows it, the values
    closest to a level first; otherwise to the next level towards the clean value. A transformed input, and what changed
    under l0, go to the nearest levels.
    """
    x_adv, x, bounds = candidates.x_adv, candidates.x, candidates.bounds
    step = (bounds[1] - bounds[0]) / (levels - 1)
    pixels, shown = read_pixels(candidates.threat), np.zeros(len(x), bool)
    for word in filter(is_patch, candidates.threat.split("+")):
        shown |= check_patch(word, x_adv, x)
    spool, small = Spool(x_adv.shape[1:]), np.zeros(len(x_adv), bool)
    for rows in row_chunks(len(x_adv)):
        base = np.rint(_count_levels(x[rows], bounds, levels))
        d = _count_levels(x_adv[rows], bounds, levels) - base
        rounded = np.trunc(d)
        for ball in reversed(read_balls(candidates.threat)):  # in a union the first ball that contains the input counts
            contained = ball.contains(flatten(x_adv[rows]) - flatten(x[rows]))
            rounded[contained] = _round_in_ball(d[contained], ball, step)
            small[rows] |= contained & ball.contains(rounded * step)
        for text in filter(is_transform, candidates.threat.split("+")):  # an image that was made, as it is stored
            made = check_transform(text, candidates, rows, np.asarray(x[rows]))
            rounded[made], small[rows] = np.rint(d[made]), small[rows] | made
        if shown.any():  # any value will do, and what is equal to the clean one stays so
            contained = shown[rows] & ~small[rows]
            rounded[contained] = np.rint(d[contained])
            small[rows] |= contained
        if pixels is not None:
            few = check_pixels(pixels, x_adv[rows], x[rows]) & ~small[rows]
            rounded[few], small[rows] = np.rint(d[few]), small[rows] | few
        stored = (bounds[0] + (base + rounded) * step).reshape(-1, *x_adv.shape[1:])
        spool.add(stored.astype(np.float32))
    return spool.array(), small


def _round_in_ball(d: Floats, ball: Ball, step: float) -> Floats:
    """Round d, (n, features) in levels, to whole levels: away from 0 only as far as the ball allows it."""
    size = np.floor(np.abs(d))
    rest = np.abs(d) - size
    radius = ball.eps * (1 + SLACK) / step
    if ball.norm == "linf":
        up = (rest >= 0.5) & (size + 1 <= radius)
    else:
        power = 2 if ball.norm == "l2" else 1
        price = np.where(rest >= 0.5, (size + 1) ** power - size**power, 0)
        order = np.argsort(-rest, axis=1, kind="stable")
        budget = radius**power - (size**power).sum(1, keepdims=True)
        affordable = np.take_along_axis(price, order, 1).cumsum(1) <= budget
        up = np.zeros_like(affordable)
        np.put_along_axis(up, order, affordable, 1)
        up &= rest >= 0.5
    rounded: Floats = np.copysign(size + up, d)
    return rounded


def _count_levels(x: NDArray[np.float32], bounds: tuple[float, float], levels: int) -> Floats:
    """Return the values, (n, features), counted in levels from the lower bound."""
    return (flatten(x) - bounds[0]) * ((levels - 1) / (bounds[1] - bounds[0]))
