"""Affine operators: their bounds are exact for independent sources, and lines are the operators themselves.

None is written by hand: torch has the functions, and their transposes by automatic differentiation.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from robust.certification.errors import UnknownOptionError
from robust.certification.operators.operator import Call, Interval, Lines, Shapes, Slot, flat
from robust.certification.operators.products import BILINEAR
from robust.certification.operators.rounding import COPIES, EXTRA, INTERPOLATED, count_terms

# Each value is a sum of values of the sources with coefficients that are not negative, and a constant.
STRUCTURE = (
    *("view", "reshape", "_unsafe_view", "flatten", "unflatten", "permute", "transpose", "t", "squeeze", "unsqueeze"),
    *("expand", "slice", "select", "narrow", "index_select", "index", "gather", "cat", "stack", "clone", "alias"),
    *("contiguous", "flip", "roll", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "im2col", "col2im"),
    *("repeat", "repeat_interleave", "split", "split_with_sizes", "chunk", "unbind", "tensor_split", "cumsum"),
    *("avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
    *("_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "mean", "sum", "pad", "constant_pad_nd", "movedim", "swapaxes"),
    *("reflection_pad1d", "reflection_pad2d", "replication_pad1d", "replication_pad2d", "upsample_nearest1d"),
    *("upsample_nearest2d", "upsample_bilinear2d", "upsample_linear1d", "lift_fresh_copy", "dropout", "expand_as"),
    "diagonal",
)
# Each value depends on one value of each source.
ELEMENTWISE = (*("add", "sub", "rsub", "neg", "mul", "div", "where", "lerp", "masked_fill"),)
# The constant tensors are the coefficients.
WEIGHTED = (
    *("linear", "addmm", "mm", "bmm", "matmul", "addmv", "conv1d", "conv2d", "conv3d", "convolution"),
    *("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
)


class Affine:
    """A function f(x) = Jx + f(0)."""

    affine = True

    def __init__(self, call: Call, shapes: Shapes) -> None:
        self._call, self._shapes = call, shapes

    def value(self, *values: Tensor) -> Tensor:
        """Return the value, (n, 1, ...), for values of n samples."""
        return torch.vmap(self._call)(*values)

    def interval(self, *sources: Interval) -> Interval:
        """Return bounds of the value from bounds of its sources."""
        middle = self.value(*((each.lo + each.hi) / 2 for each in sources))
        reach = self.reach(*((each.hi - each.lo) / 2 for each in sources))
        return Interval(middle - reach, middle + reach).widen()

    def reach(self, *radii: Tensor) -> Tensor:
        """Return |J| times the radii of the sources, which are not negative."""
        return (torch.vmap(self._call)(*radii) - self._call(*self._zeros(radii[0]))).abs()  # a divisor may be below 0

    def _zeros(self, like: Tensor) -> list[Tensor]:
        return [like.new_zeros(shape) for shape in self._shapes]

    def relax(self, *sources: Interval) -> Lines:
        """Return itself."""
        return self

    def back(self, a: Tensor) -> tuple[Sequence[Tensor], Tensor]:
        """Return a times J, by source, and a times f(0); see `Lines`."""
        rows = a.flatten(0, 1)
        constant, pull = torch.func.vjp(self._call, *self._zeros(a))[:2]
        grads = torch.vmap(pull)(rows)
        bias = flat(rows, 1) @ constant.flatten()
        return [grad.unflatten(0, a.shape[:2]) for grad in grads], bias.unflatten(0, a.shape[:2])

    def undecided(self, *sources: Interval) -> Sequence[Tensor]:
        """Mark nothing: the lines do not depend on the bounds."""
        return [torch.zeros_like(each.lo, dtype=torch.bool) for each in sources]

    def rounding(self, *sources: Interval) -> tuple[float, Tensor | float]:
        """Return how much is rounded: each sum as often as it has terms."""
        if not (terms := self.terms):  # only constants are rounded, once
            constants = self.constants()
            return (1, constants) if bool(constants.any()) else (0, 0.0)
        return terms + EXTRA, self.reach(*(each.size() for each in sources)) + self.constants()

    @cached_property
    def terms(self) -> int:
        """Return how many terms a sum has at most; 0 for what only copies."""
        return count_terms(self._call, self._shapes)

    def constants(self) -> Tensor:
        """Return the size of the constant terms."""
        like = torch.zeros((), dtype=torch.float64)
        return self._call(*self._zeros(like)).abs()


class Elementwise(Affine):
    """An affine function of each element."""

    @cached_property
    def terms(self) -> int:
        """Return how many terms a sum has at most; 0 for what only copies."""
        return 0 if self._call.name in COPIES else 2

    def reach(self, *radii: Tensor) -> Tensor:
        """Return |J| times the radii."""
        zeros = self._zeros(radii[0])
        at_zero, total = self._call(*zeros), torch.zeros(())
        for place, radius in enumerate(radii):
            alone = [zero.expand(len(radius), *zero.shape) for zero in zeros]
            alone[place] = radius
            total = total + (torch.vmap(self._call)(*alone) - at_zero).abs()
        return total


class Weighted(Affine):
    """An affine function whose coefficients are its constant tensors, or products of them."""

    def reach(self, *radii: Tensor) -> Tensor:
        """Return |J| times the radii."""
        absolute = self._call.over(torch.abs)
        reach: Tensor = torch.vmap(absolute)(*radii) - absolute(*self._zeros(radii[0]))
        return reach.abs()  # a factor of the whole may be negative

    @cached_property
    def terms(self) -> int:
        """Return how many terms a sum has at most."""
        if self._call.name.startswith("add"):  # its factors hide the count
            return 1 + max(side for each in self._call.args if isinstance(each, Tensor) for side in each.shape)
        ones = [torch.ones(shape, dtype=torch.float64) for shape in self._shapes]
        return int(self._call.over(lambda each: (each != 0).to(each.dtype))(*ones).amax())

    def constants(self) -> Tensor:
        """Return the size of the constant terms, of which each may be a sum of products."""
        like = torch.zeros((), dtype=torch.float64)
        return self._call.over(torch.abs)(*self._zeros(like)).abs()


class Interpolation(Affine):
    """A linear interpolation, whose coefficients the network computes from positions."""

    def rounding(self, *sources: Interval) -> tuple[float, Tensor | float]:
        """Return how much is rounded: a coefficient as far as its position, of at most the side, is off."""
        sides = self._shapes[0][2:]
        largest = flat(sources[0].size(), 1).amax(1)
        return 8 * sum(side + 1 for side in sides) + EXTRA, largest.view(-1, *[1] * len(self._shapes[0]))


class BatchNorm(Elementwise):
    """A batch norm by what is kept."""

    @cached_property
    def terms(self) -> int:
        """Return more than of a sum of two: the scale alone is rounded some times."""
        return 6

    def constants(self) -> Tensor:
        """Return the size of the constant terms, of which the deployed network adds two."""
        at_zero, args = super().constants(), self._call.args
        alone = Call(_batch_norm, (args[0], args[1], None, *args[3:]), {})
        return at_zero + 2 * alone(*self._zeros(at_zero)).abs()


def _batch_norm(x: Tensor, *held: Any) -> Tensor:
    """Return what the batch norm of ATen does, for which torch has no rule to run over samples."""
    weight, bias, mean, variance, _, eps = held
    sides = [1, -1, *[1] * (x.dim() - 2)]
    scale = (variance + eps).rsqrt() * (1 if weight is None else weight)
    shift = (0 if bias is None else bias) - mean * scale
    normalised: Tensor = x * scale.view(sides) + shift.view(sides)
    return normalised


def _unfold(x: Tensor, dim: int, size: int, step: int) -> Tensor:
    """Return what the unfold of ATen does, whose transpose torch has no rule for to run over rows."""
    dim %= x.dim()
    starts = torch.arange(0, x.shape[dim] - size + 1, step)
    windows = x.index_select(dim, (starts[:, None] + torch.arange(size)).flatten())
    return windows.reshape(*x.shape[:dim], len(starts), size, *x.shape[dim + 1 :]).movedim(dim + 1, -1)


def _copy(x: Tensor) -> Tensor:
    """Return what a detach does, whose derivative is 0 only by word."""
    return x.clone()


REPLACED = {"unfold": _unfold, "detach": _copy}
OTHERS = ("_native_batch_norm_legit_no_training", "_to_copy")
NORM, CAST = OTHERS
AFFINE = {*STRUCTURE, *ELEMENTWISE, *WEIGHTED, *REPLACED, *OTHERS}


def make_affine(call: Call, shapes: Shapes) -> Affine | None:
    """Return the operator of a call that is affine in all its slots; None for others.

    Raise UnknownOptionError for an affine operator that is none as it is called.
    """
    name = call.name
    if name == NORM:
        if len(shapes) > 1:
            raise UnknownOptionError("weights that depend on the input")
        return BatchNorm(Call(_batch_norm, call.args, {}), shapes) if call.index == 0 else None
    if name in REPLACED:
        return Affine(Call(REPLACED[name], call.args, {}), shapes)
    if name == CAST:
        _refuse_integers(call.kwargs.get("dtype"))
        return Elementwise(call, shapes)
    if name in INTERPOLATED:
        return Interpolation(call, shapes)
    if name in STRUCTURE:
        return Affine(call, shapes)
    if name in ELEMENTWISE:
        return None if _is_product(call, shapes) else Elementwise(call, shapes)
    if name not in WEIGHTED:
        return None
    if len(shapes) > 1 and name not in BILINEAR:
        raise UnknownOptionError("weights that depend on the input")
    return Weighted(call, shapes) if len(shapes) == 1 else None


def _refuse_integers(dtype: torch.dtype | None) -> None:
    if dtype is not None and not dtype.is_floating_point:
        raise UnknownOptionError(f"a cast to {dtype}")


def _is_product(call: Call, shapes: Shapes) -> bool:
    """Whether a call on each element is a product of two values; UnknownOptionError for what else is not affine."""
    if call.name == "div" and (mode := call.kwargs.get("rounding_mode")) is not None:
        raise UnknownOptionError(f"rounding_mode={mode!r}")
    if call.name == "div" and isinstance(call.args[1], Slot):
        raise UnknownOptionError("a divisor that depends on the input")
    if call.name == "lerp" and isinstance(call.args[2], Slot) and len(shapes) > 1:
        raise UnknownOptionError("a weight that depends on the input")
    return call.name == "mul" and len(shapes) > 1
