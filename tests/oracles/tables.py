"""The largest margin among the admitted rows of a small table, exactly: mixed-integer programs, solved by HiGHS.

Nothing here is shared with the attacks: the constraints are given as arrays.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

GAP = 1e-6  # between a threshold of a tree and what lies above it, in shares of the threshold's unit


@dataclass(frozen=True)
class Rows:
    """What one row may become: the box, whole columns, one-hot groups, and matrix @ row within limits."""

    low: np.ndarray  # (d,)
    high: np.ndarray
    whole: np.ndarray  # (d,) bool
    groups: tuple[tuple[int, ...], ...] = ()
    matrix: np.ndarray | None = None  # (r, d)
    least: np.ndarray | None = None  # (r,)
    most: np.ndarray | None = None

    def constraints(self, extra: int) -> list[LinearConstraint]:
        """Return the constraints on the row and so many variables behind it."""
        found = []
        for members in self.groups:
            line = np.zeros(len(self.low) + extra)
            line[list(members)] = 1
            found.append(LinearConstraint(line[None], 1, 1))
        if self.matrix is not None:
            wide = np.pad(self.matrix, ((0, 0), (0, extra)))
            found.append(LinearConstraint(wide, self.least, self.most))
        return found


def maximise(rows: Rows, gain, constraints=(), low=(), high=(), whole=()) -> float:
    """Return the maximum of `gain` times the row and the variables behind it; -inf if nothing is admitted."""
    extra = len(low)
    found = milp(
        -np.asarray(gain, float),
        constraints=[*rows.constraints(extra), *constraints],
        bounds=Bounds(np.r_[rows.low, low], np.r_[rows.high, high]),
        integrality=np.r_[rows.whole, np.asarray(whole, bool)].astype(int),
        options={"mip_rel_gap": 0},
    )
    return -np.inf if found.x is None else -float(found.fun)


def linear_margin(rows: Rows, weight: np.ndarray, bias: np.ndarray, y: int) -> float:
    """Return the largest margin of a linear model, (classes, d), over the rows: above 0, y is not the answer."""
    others = [c for c in range(len(bias)) if c != y]
    return max(maximise(rows, weight[c] - weight[y]) + bias[c] - bias[y] for c in others)


def network_margin(rows: Rows, first, second, y: int) -> float:
    """Return the same of a network with one hidden layer: `first` and `second` are pairs (weight, bias).

    Each hidden unit has a variable and a switch; whether it is on is known of most, by the range of its input.
    """
    (w, b), (v, c) = first, second
    d, h = len(rows.low), len(b)
    top = np.maximum(w * rows.low, w * rows.high).sum(1) + b
    bottom = np.minimum(w * rows.low, w * rows.high).sum(1) + b
    lines, least, most = [], [], []

    def add(row, unit, switch, low, high, k):
        line = np.zeros(d + 2 * h)
        line[:d], line[d + k], line[d + h + k] = row, unit, switch
        lines.append(line), least.append(low), most.append(high)

    for k in range(h):
        up, down = max(top[k], 0.0), min(bottom[k], 0.0)
        add(-w[k], 1, 0, b[k], np.inf, k)  # at least the input
        add(-w[k], 1, -down, -np.inf, b[k] - down, k)  # at most the input, where it is on
        add(np.zeros(d), 1, -up, -np.inf, 0, k)  # 0 where it is off
    hidden = LinearConstraint(np.array(lines), least, most)
    high = np.r_[np.maximum(top, 0), np.ones(h)]
    whole = np.r_[np.zeros(h), np.ones(h)]
    return max(
        maximise(rows, np.r_[np.zeros(d), v[other] - v[y], np.zeros(h)], [hidden], np.zeros(2 * h), high, whole)
        + c[other]
        - c[y]
        for other in range(len(c))
        if other != y
    )


def trees_margin(rows: Rows, trees, base: float, y: int) -> float:
    """Return the same of boosted trees with two classes, whose sum with `base` is above 0 for the second one.

    A tree is (left, right, feature, threshold, value), as scikit-learn has it; each leaf has a switch.
    """
    d, lines, least, most, values = len(rows.low), [], [], [], []
    leaves = [[node for node in range(len(tree[0])) if tree[0][node] < 0] for tree in trees]
    total, sign = sum(map(len, leaves)), 1.0 if y == 0 else -1.0

    def add(row, low, high):
        lines.append(row), least.append(low), most.append(high)

    at = d
    for tree, own in zip(trees, leaves, strict=True):
        left, right, feature, threshold, value = tree
        places = {leaf: at + k for k, leaf in enumerate(own)}
        one = np.zeros(d + total)
        one[[*places.values()]] = 1
        add(one, 1, 1)
        values += [sign * value[leaf] for leaf in own]
        for node in range(len(left)):
            if left[node] < 0:
                continue
            j, t = feature[node], threshold[node]
            for below, child in ((True, left[node]), (False, right[node])):
                line = np.zeros(d + total)
                line[j] = 1
                line[[places[leaf] for leaf in own if _is_under(leaf, child, left, right)]] = (
                    rows.high[j] - t if below else rows.low[j] - t - GAP * max(1.0, abs(t))
                )
                add(line, -np.inf if below else rows.low[j], rows.high[j] if below else np.inf)
        at += len(own)
    tied = LinearConstraint(np.array(lines), least, most)
    gain = np.r_[np.zeros(d), values]
    return maximise(rows, gain, [tied], np.zeros(total), np.ones(total), np.ones(total)) + sign * base


def _is_under(leaf: int, node: int, left, right) -> bool:
    inner = left[node] >= 0
    return leaf == node or (inner and any(_is_under(leaf, child, left, right) for child in (left[node], right[node])))
