"""Maxima: of the windows of a pooling layer, along a dimension, or of two values.

A maximum is at least its value with the largest lower bound. Above, it is a line in the value i with the largest upper
bound: the largest upper bound of the others, u, and from there on a share of how far value i is above its own lower
bound; where no other value reaches value i's lower bound it is value i itself.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from robust.certification.errors import UnknownOptionError
from robust.certification.operators.operator import Call, Interval, Shapes, flat

POOLS = (
    *("max_pool1d", "max_pool2d", "max_pool3d"),
    *("max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices"),
    *("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"),
)
OF_TWO = ("maximum", "max")
ALONG = ("amax", "max")
MAXIMA = {*POOLS, *OF_TWO, *ALONG}


@dataclass(frozen=True)
class Maximum:
    """The maxima of groups of values; `groups` are positions in the flattened sources, one past them for none."""

    groups: Tensor  # (values, size) int64
    shape: tuple[int, ...]  # (1, ...), of the value
    shapes: Shapes  # of the sources
    affine: bool = field(default=False, init=False)

    def _members(self, values: Sequence[Tensor]) -> Tensor:
        """Return the values of each group, (n, values, size); -inf where a group has none."""
        joined = torch.cat([flat(each, 1) for each in values], 1)
        return F.pad(joined, (0, 1), value=-math.inf)[:, self.groups]

    def _pick(self, members: Tensor) -> Tensor:
        """Return the largest of each group, (n, values, 1), and never none."""
        present = self.groups < sum(math.prod(shape) for shape in self.shapes)
        return members.clamp_min(torch.finfo(members.dtype).min).where(present, -math.inf).argmax(2, keepdim=True)

    def value(self, *values: Tensor) -> Tensor:
        """Return the value, (n, 1, ...), for values of n samples."""
        return self._members(values).amax(2).reshape(-1, *self.shape)

    def interval(self, *sources: Interval) -> Interval:
        """Return bounds of the value from bounds of its sources."""
        return Interval(self.value(*(each.lo for each in sources)), self.value(*(each.hi for each in sources)))

    def relax(self, *sources: Interval) -> "MaximumLines":
        """Return lines for sources within these bounds."""
        lo = self._members([each.lo for each in sources])
        hi = self._members([each.hi for each in sources])
        lowest, highest = self._pick(lo), self._pick(hi)
        floor = lo.gather(2, highest).squeeze(2)
        top = hi.gather(2, highest).squeeze(2)
        others = hi.scatter(2, highest, -math.inf).amax(2)
        wide = (others > floor) & (top > floor)
        share = torch.where(wide, (top - others) / torch.where(wide, top - floor, 1), 1).clamp(0, 1)
        constant = torch.where(wide, others - share * floor, 0)
        groups = self.groups.expand(len(lo), -1, -1)
        low, high = (groups.gather(2, which).squeeze(2) for which in (lowest, highest))
        return MaximumLines(low, high, share, constant, self)

    def rounding(self, *sources: Interval) -> tuple[float, Tensor | float]:
        """Return that nothing is rounded."""
        return 0, 0.0

    def undecided(self, *sources: Interval) -> Sequence[Tensor]:
        """Mark the values that may be the maximum of a group that has several such."""
        lo = self._members([each.lo for each in sources])
        hi = self._members([each.hi for each in sources])
        able = hi > lo.amax(2, keepdim=True)
        able &= able.sum(2, keepdim=True) > 1
        size = sum(math.prod(shape) for shape in self.shapes)
        marks = torch.zeros(len(lo), size + 1, dtype=torch.int64)
        marks.scatter_add_(1, self.groups.flatten().expand(len(lo), -1), flat(able, 1).long())
        return _split(marks[:, :-1] > 0, self.shapes, 1)


@dataclass(frozen=True)
class MaximumLines:
    """One value of each group below, and one with a slope and a constant above, (b, values) each."""

    low: Tensor
    high: Tensor
    share: Tensor
    constant: Tensor
    of: Maximum

    def back(self, a: Tensor) -> tuple[Sequence[Tensor], Tensor]:
        """Return coefficients and constants; see `Lines`."""
        rows = flat(a, 2)
        positive, negative = rows.clamp_min(0), rows.clamp_max(0)
        size = sum(math.prod(shape) for shape in self.of.shapes)
        b, k = max(len(rows), len(self.low)), rows.shape[1]
        whole = (b, k, rows.shape[2])
        into = rows.new_zeros(b, k, size)
        into = into.scatter_add(2, self.low.unsqueeze(1).expand(whole), positive.expand(whole))
        scaled = negative * self.share.unsqueeze(1)
        into = into.scatter_add(2, self.high.unsqueeze(1).expand(whole), scaled.expand(whole))
        return _split(into, self.of.shapes, 2), (negative * self.constant.unsqueeze(1)).sum(2)


def _split(joined: Tensor, shapes: Shapes, dim: int) -> list[Tensor]:
    """Return the parts of the flattened sources, in their shapes."""
    parts = torch.split(joined, [math.prod(shape) for shape in shapes], dim)
    return [part.reshape(*joined.shape[:dim], *shape) for part, shape in zip(parts, shapes, strict=True)]


def make_maximum(call: Call, shapes: Shapes, shape: tuple[int, ...]) -> Maximum | None:
    """Return the operator of a pooling, of a maximum along dimensions, or of two values; None for others.

    Raise UnknownOptionError for what else these operators do.
    """
    if call.name not in MAXIMA:
        return None
    if call.index:
        raise UnknownOptionError("the places of the maxima")
    sizes = [math.prod(each) for each in shapes]
    whole = torch.arange(sum(sizes))
    places = [part.view(each) for part, each in zip(torch.split(whole, sizes), shapes, strict=True)]
    if call.name in POOLS:
        groups = _pool(call, places[0], shape)
    elif len(shapes) == 2:
        groups = torch.stack([each.expand(shape).flatten() for each in places], 1)
    else:
        groups = _along(call, places[0])
    if bool((groups == len(whole)).all(1).any()):
        raise UnknownOptionError("a window of padding alone")  # its maximum is no number
    return Maximum(groups, shape, shapes)


def _pool(call: Call, places: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the groups of a pooling over the last one, two or three dimensions."""
    rank = int(call.name.removeprefix("adaptive_").removeprefix("max_pool")[0])
    none = places.numel()
    images = places.reshape(-1, *places.shape[-rank:])
    windows = _windows(call, images.shape[1:], shape[-rank:])
    grids = torch.meshgrid(*(each.flatten() for each in windows), indexing="ij")
    valid = torch.stack([(grid >= 0) & (grid < images.shape[axis + 1]) for axis, grid in enumerate(grids)]).all(0)
    index = [grid.clamp(0, images.shape[axis + 1] - 1) for axis, grid in enumerate(grids)]
    places = images.flatten(1)[:, _flat_index(index, images.shape[1:])]
    found = torch.where(valid, places, none)
    found = found.reshape(len(images), *(side for each in windows for side in each.shape))
    order = [0, *range(1, 2 * rank, 2), *range(2, 2 * rank + 1, 2)]
    return found.permute(order).reshape(-1, math.prod(each.shape[1] for each in windows))


def _windows(call: Call, sides: Sequence[int], out: Sequence[int]) -> list[Tensor]:
    """Return the positions of each window along each axis, (windows, size); outside of the image for none."""
    if call.name.startswith("adaptive"):
        return [_adaptive(side, n) for side, n in zip(sides, out, strict=True)]
    size, stride, padding, dilation = _sides(call, len(sides))
    starts = [torch.arange(n) * stride[axis] - padding[axis] for axis, n in enumerate(out)]
    return [each[:, None] + torch.arange(size[axis]) * dilation[axis] for axis, each in enumerate(starts)]


def _adaptive(side: int, n: int) -> Tensor:
    """Return the windows of an adaptive pooling of a side to n values: they share it, and overlap where they must."""
    k = torch.arange(n)
    starts, ends = k * side // n, -(-(k + 1) * side // n)
    found = starts[:, None] + torch.arange(int((ends - starts).max()))
    return torch.where(found < ends[:, None], found, -1)


def _flat_index(index: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
    """Return the positions in a flattened array of this shape."""
    flat_index = torch.zeros_like(index[0])
    for along, side in zip(index, shape, strict=True):
        flat_index = flat_index * side + along
    return flat_index


def _sides(call: Call, rank: int) -> list[list[int]]:
    """Return kernel size, stride, padding and dilation, each by axis."""
    found: list[list[int]] = []
    for place, (name, default) in enumerate((("kernel_size", 1), ("stride", []), ("padding", 0), ("dilation", 1)), 1):
        given = call.constant(place, name, default)
        given = found[0] if given in ([], ()) else given
        found.append([given] * rank if isinstance(given, int) else list(given) * (rank if len(given) == 1 else 1))
    return found


def _along(call: Call, places: Tensor) -> Tensor:
    """Return the groups of a maximum along dimensions."""
    dims = call.constant(1, "dim", [])
    dims = [dims] if isinstance(dims, int) else list(dims) or list(range(places.dim()))
    dims = sorted(dim % places.dim() for dim in dims)
    rest = [dim for dim in range(places.dim()) if dim not in dims]
    return places.permute(*rest, *dims).flatten(len(rest)).reshape(-1, math.prod(places.shape[dim] for dim in dims))
