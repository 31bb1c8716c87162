"""Transformed inputs checked again: each must be the clean one as its theta says, and theta within the limits.

One line of `FAMILIES` for each family of threat models that transforms; nothing here is shared with the attacks.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robust.flags import Flags
from robust.verification.candidates import Candidates
from robust.verification.spatial import find_difference, within_limits

TOLERANCE = 1e-5  # of the width of the bounds


class Checks(NamedTuple):
    """The checks of a family, by the text of a threat model."""

    # Of each theta whether it is within the limits: (text, theta (n, 4), shape) -> (n,)
    within: Callable[[str, NDArray[Any], tuple[int, ...]], Flags]
    # (text, x_adv, x, theta, bounds): how far x_adv is from T(x, theta), (n,)
    differ: Callable[[str, NDArray[Any], NDArray[Any], NDArray[Any], tuple[float, float]], NDArray[np.float64]]


FAMILIES = {"spatial": Checks(within_limits, find_difference)}


def is_transform(part: str) -> bool:
    """Whether a part of a threat model, no union, transforms."""
    return part.partition(":")[0] in FAMILIES


def has_theta(candidates: Candidates) -> Flags:
    """Whether each candidate is said to be made by a theta, (n,); all are, if each part of the threat transforms."""
    n = len(candidates.x_adv)
    if all(map(is_transform, candidates.threat.split("+"))):
        return np.ones(n, bool)
    if candidates.theta is None:
        return np.zeros(n, bool)
    marks: Flags = np.logical_or.reduce(np.isfinite(candidates.theta), axis=1)
    return marks


def check_transform(
    text: str, candidates: Candidates, rows: slice, x: NDArray[np.float32], tolerance: float = TOLERANCE
) -> Flags:
    """Whether each x_adv of these rows is x, or T(x, theta) of a theta within the limits of `text`, (rows,)."""
    if candidates.theta is None:
        return np.zeros(len(x), bool)
    x_adv = candidates.x_adv[rows]
    family, theta = FAMILIES[text.partition(":")[0]], candidates.theta[rows]
    with np.errstate(invalid="ignore"):
        made = family.within(text, theta, x.shape[1:])
    off, (lo, hi) = np.full(len(x), np.inf), candidates.bounds
    if made.any():
        off[made] = family.differ(text, x_adv[made], x[made], theta[made], candidates.bounds)
    same = (x_adv == x).reshape(len(x), -1).all(1)
    close: Flags = same | (off <= tolerance * (hi - lo))
    return close
