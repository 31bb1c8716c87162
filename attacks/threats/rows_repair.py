"""The repair of rows: within their limits, whole, one category a group, and with their relations kept.

Relations are restored by moving each feature as little as its eps allows: coordinate ascent on the dual of the nearest
point, in units of eps. What rounding to whole numbers then breaks is made good feature by feature.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from robust.attacks.threats.rows import Columns, Limits, pick_categories, to_simplex

SWEEPS = 8  # over several relations, which may share features
EXACT = 2e-7  # of the sizes of a relation's terms: rows of float32 keep it no better
PASSES = 3  # over the features, to make good what rounding has broken


def repair(
    columns: Columns,
    limits: Limits,
    wanted: Tensor,
    x: Tensor,
    *,
    relaxed: bool = False,
    held: Tensor | None = None,
) -> Tensor:
    """Return rows near `wanted`, (n, d), in the type of the clean rows x; `relaxed` leaves integers and groups mixed.

    No relation moves what is `held`, (n, d) bool.
    Where several relations contradict each other within the limits, some are not kept.
    """
    value = torch.where(limits.free, wanted.to(torch.float64).nan_to_num(0.0), x.to(torch.float64))
    for members in columns.groups:
        shares = value[:, members].nan_to_num(0.0)
        picked = to_simplex(shares) if relaxed else pick_categories(shares)
        value[:, members] = torch.where(limits.free[:, members], picked, value[:, members])
    value = torch.where(limits.free, value.clamp(limits.low, limits.high), value)
    active, movable = _active(columns, limits, x), limits.free & ~columns.category
    movable = movable if held is None else movable & ~held
    if bool(active.any()):
        value = _restore(columns, limits, value, movable, active)
    if not relaxed and bool(columns.whole.any()):
        value = torch.where(columns.whole & limits.free, value.round(), value)
        if bool((columns.whole & (columns.weights != 0).any(0)).any()):
            value = _make_good(columns, limits, value, movable, active)
    return torch.where(limits.free, value.to(x.dtype), x)


def _active(columns: Columns, limits: Limits, x: Tensor) -> Tensor:
    """Mark the relations that bind each row, (n, r): of features that may move, and none of them missing."""
    inside = (columns.weights != 0).to(torch.float64)
    moves = limits.free.to(torch.float64) @ inside.T > 0
    return moves & ~(x.isnan().to(torch.float64) @ inside.T > 0)


def _restore(columns: Columns, limits: Limits, wanted: Tensor, movable: Tensor, active: Tensor) -> Tensor:
    """Return the rows nearest to `wanted`, in units of eps, that keep the relations; only `movable` values move."""
    metric = torch.where(movable, columns.eps.square(), 0.0)
    shift, value = torch.zeros_like(wanted), wanted
    multipliers = torch.zeros(len(wanted), len(columns.constant), dtype=torch.float64, device=wanted.device)
    for _ in range(SWEEPS if len(columns.constant) > 1 else 1):
        lacking = (active & (columns.residual(value).abs() > columns.sizes(value) * EXACT)).any(1, keepdim=True)
        if not bool(lacking.any()):
            break
        for r, weights in enumerate(columns.weights):
            direction = metric * weights
            without = shift - multipliers[:, r, None] * direction
            least = -torch.inf if columns.equal[r] else 0.0
            line = Line(wanted - without, direction, weights, float(columns.constant[r]))
            found = torch.where(active[:, r], line.find_root(limits).clamp_min(least), 0.0)
            multipliers[:, r] = torch.where(lacking[:, 0], found, multipliers[:, r])
            shift = without + multipliers[:, r, None] * direction
            value = torch.where(movable & lacking, (wanted - shift).clamp(limits.low, limits.high), value)
    return value


class Line(NamedTuple):
    """A relation along a line: the weighted sum of clamp(start - t * direction), (n, d), plus the constant."""

    start: Tensor  # (n, d)
    direction: Tensor  # (n, d): 0 for what does not move, else of the sign of the weight
    weights: Tensor  # (d,)
    constant: float

    def find_root(self, limits: Limits) -> Tensor:
        """Return the t at which the sum is 0, (n,); where it is 0 nowhere, that at which it comes nearest.

        The sum falls, and is linear between the ends of the ways of the single values, so it is followed from end to
        end.
        """
        inside = self.weights != 0
        start, along, weights = self.start[:, inside].nan_to_num(0.0), self.direction[:, inside], self.weights[inside]
        low, high = limits.low[:, inside].nan_to_num(0.0), limits.high[:, inside].nan_to_num(0.0)
        moves, safe = along != 0, torch.where(along == 0, 1.0, along)
        first, last = torch.where(along > 0, high, low), torch.where(along > 0, low, high)
        ways = [torch.where(moves, (start - end) / safe, 0.0) for end in (first, last)]
        ends, order = torch.cat(ways, 1).sort(1)
        fall = weights * along
        slopes = -torch.cat((fall, -fall), 1).gather(1, order).cumsum(1)
        beginning = (torch.where(moves, first, start) * weights).sum(1, keepdim=True) + self.constant
        sums = beginning + torch.cat((torch.zeros_like(beginning), (slopes[:, :-1] * ends.diff(dim=1)).cumsum(1)), 1)
        above = ((sums > 0).sum(1, keepdim=True) - 1).clamp(0, ends.shape[1] - 2)
        slope = slopes.gather(1, above)
        way = torch.where(slope < 0, sums.gather(1, above) / (-slope).clamp_min(1e-300), 0.0)
        root = ends.gather(1, above) + way.clamp_min(0.0)
        return torch.minimum(root, ends.gather(1, above + 1))[:, 0]


def _make_good(columns: Columns, limits: Limits, value: Tensor, movable: Tensor, active: Tensor) -> Tensor:
    """Return the rows with each feature in turn moved by what its relations still lack; integers by whole numbers."""
    value, moving = value.clone(), movable.any(0).tolist()
    order = [k for whole in (True, False) for k in range(len(moving)) if bool(columns.whole[k]) == whole and moving[k]]
    for _ in range(PASSES):
        for r in range(len(columns.constant)):
            for k in (k for k in order if columns.weights[r, k] != 0):
                lacking = torch.where(active[:, r], columns.residual(value)[:, r], 0.0)
                move = torch.where(movable[:, k], -lacking / columns.weights[r, k], 0.0)
                if columns.whole[k]:
                    move = move.trunc() if columns.equal[r] else torch.copysign(move.abs().ceil(), move)
                value[:, k] = torch.where(
                    movable[:, k], (value[:, k] + move).clamp(limits.low[:, k], limits.high[:, k]), value[:, k]
                )
    return value
