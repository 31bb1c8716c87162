"""Rows of a table as tensors: between what values may move, one-hot groups, and whether relations are kept.

All is computed in float64. Shapes: n rows, d features, r relations.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from robust.attacks.table_file import Table

TOLERANCE = 1e-6  # of the sizes of a relation's terms: what float32 loses


class Columns(NamedTuple):
    """A table's file, one value for each feature."""

    lo: Tensor  # (d,) float64
    hi: Tensor  # (d,)
    eps: Tensor  # (d,): the largest change; 0 if it is fixed
    whole: Tensor  # (d,) bool: an integer
    way: Tensor  # (d,): 1 for what may only rise, -1 for what may only fall, else 0
    groups: tuple[Tensor, ...]  # the columns of each one-hot group
    category: Tensor  # (d,) bool: in a group
    weights: Tensor  # (r, d): of the relations
    constant: Tensor  # (r,)
    equal: Tensor  # (r,) bool

    @classmethod
    def of(cls, table: Table) -> "Columns":
        """Return the columns of a table."""
        features, relations = table.features, table.relations
        ways = {"": 0, "increasing": 1, "decreasing": -1}

        def numbers(values: list[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float64)

        return cls(
            lo=numbers([feature.lo for feature in features]).float().double(),  # as the data have them, in float32
            hi=numbers([feature.hi for feature in features]).float().double(),
            eps=numbers([feature.eps if feature.moves else 0.0 for feature in features]),
            whole=torch.tensor([feature.type == "integer" for feature in features]),
            way=torch.tensor([ways[feature.monotone] for feature in features]),
            groups=tuple(torch.tensor(members) for members in table.groups.values()),
            category=torch.tensor([feature.type == "category" for feature in features]),
            weights=numbers([weight for relation in relations for weight in relation.weights]).view(-1, len(features)),
            constant=numbers([relation.constant for relation in relations]),
            equal=torch.tensor([relation.equal for relation in relations], dtype=torch.bool),
        )

    def residual(self, value: Tensor) -> Tensor:
        """Return by how much each relation is not kept, (n, r), above 0, or of an equality of either sign."""
        excess = value.nan_to_num(0.0) @ self.weights.T + self.constant
        return torch.where(self.equal, excess, excess.clamp_min(0.0))

    def keeps(self, value: Tensor, changed: Tensor) -> Tensor:
        """Mark which relations the rows keep, (n, r) bool: those without a changed feature, or with a missing one, too.

        `changed` is (n, d) bool.
        """
        inside = self.weights != 0
        idle = ~(changed.to(torch.float64) @ inside.to(torch.float64).T > 0)
        missing = value.isnan().to(torch.float64) @ inside.to(torch.float64).T > 0
        return idle | missing | (self.residual(value).abs() <= TOLERANCE * self.sizes(value))

    def sizes(self, value: Tensor) -> Tensor:
        """Return the sum of the sizes of each relation's terms, (n, r)."""
        return value.nan_to_num(0.0).abs() @ self.weights.abs().T + self.constant.abs()


class Limits(NamedTuple):
    """Between what the values of n rows may move, rounded inwards to the rows' type."""

    low: Tensor  # (n, d) float64
    high: Tensor  # (n, d)
    free: Tensor  # (n, d) bool: it can move at all

    def only(self, keep: Tensor) -> "Limits":
        """Return the limits of the rows in the mask, (n,) bool."""
        return Limits(*(part[keep] for part in self))


def limit(columns: Columns, x: Tensor) -> Limits:
    """Return between what the values of the rows x, (n, d), may move."""
    value = x.to(torch.float64)
    low = torch.maximum(columns.lo, torch.where(columns.way > 0, value, value - columns.eps))
    high = torch.minimum(columns.hi, torch.where(columns.way < 0, value, value + columns.eps))
    low, high = _round_inwards(low, x.dtype, up=True), _round_inwards(high, x.dtype, up=False)
    low, high = torch.where(columns.whole, low.ceil(), low), torch.where(columns.whole, high.floor(), high)
    free = (columns.eps > 0) & ~x.isnan() & (low <= high)
    for members in columns.groups:
        free[:, members] &= free[:, members].all(1, keepdim=True)
    low, high = torch.where(free, low, value), torch.where(free, high, value)
    free &= (low < high) | (low != value)
    category = columns.category & free
    return Limits(torch.where(category, 0.0, low), torch.where(category, 1.0, high), free)


def _round_inwards(value: Tensor, dtype: torch.dtype, *, up: bool) -> Tensor:
    """Return values that `dtype` holds, no lower (or, not `up`, no higher) than these, as float64."""
    near = value.to(dtype)
    wrong = near.to(torch.float64) < value if up else near.to(torch.float64) > value
    edge = torch.full_like(near, torch.inf if up else -torch.inf)
    return torch.where(wrong, torch.nextafter(near, edge), near).to(torch.float64)


def pick_categories(values: Tensor) -> Tensor:
    """Return 1 for the largest value of each row, (n, members), and 0 for the others."""
    return torch.zeros_like(values).scatter_(1, values.argmax(1, keepdim=True), 1.0)


def to_simplex(values: Tensor) -> Tensor:
    """Return the nearest shares to each row, (n, members): 0 or above, and 1 in all (Held, Wolfe and Crowder 1974)."""
    ordered = values.sort(1, descending=True).values
    above = (ordered.cumsum(1) - 1) / torch.arange(1, values.shape[1] + 1)
    last = (ordered > above).sum(1, keepdim=True) - 1
    return (values - above.gather(1, last)).clamp_min(0.0)
