"""The least value of a linear function over an l2 ball, and over one within a box."""

import numpy as np
from scipy.optimize import brentq

from tests.oracles.regions import Array


def least_in_l2(w: Array, x: Array, eps: float) -> float:
    """Return the least w z over |z - x|_2 <= eps."""
    return float(w @ x - eps * np.sqrt(w @ w))


def least_in_l2_and_box(w: Array, x: Array, eps: float, lo: float = 0.0, hi: float = 1.0) -> float:
    """Return the least w z over |z - x|_2 <= eps and lo <= z <= hi, for x in [lo, hi].

    By the KKT conditions z - x is -w / m, cut off at the box, for the m at which its length is eps; or the corner of
    the box that is best, where that is in the ball.
    """

    def step(m: float) -> Array:
        return np.clip(-w / m, lo - x, hi - x)

    corner = np.where(w > 0, lo, np.where(w < 0, hi, x)) - x
    if np.sqrt(corner @ corner) <= eps:
        return float(w @ (x + corner))
    most = np.sqrt(w @ w) / eps  # without the box, and so with it: the step there is no longer than eps
    least = most
    while np.sum(step(least) ** 2) < eps**2:
        least /= 2
    if least < most:
        most = float(brentq(lambda m: np.sqrt(np.sum(step(m) ** 2)) - eps, least, most, xtol=1e-14 * most))
    return float(w @ (x + step(most)))
