"""Affine operators: their bounds are exact for independent sources, and lines are the operators themselves.

None is written by hand: torch has the functions, and their transposes by automatic differentiation.
"""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from robust.certification.errors import UnknownOptionError
from robust.certification.operators.operator import Call, Interval, Lines, Shapes, Slot, flat
from robust.certification.operators.products import BILINEAR

# Each value is a sum of values of the sources with coefficients that are not negative, and a constant.
STRUCTURE = (
    *("view", "reshape", "_unsafe_view", "flatten", "unflatten", "permute", "transpose", "t", "squeeze", "unsqueeze"),
    *("expand", "slice", "select", "narrow", "index_select", "index", "gather", "cat", "stack", "clone", "alias"),
    *(
        "contiguous",
        "flip",
        "roll",
        "pixel_shuffle",
        "pixel_unshuffle",
        "channel_shuffle",
        "im2col",
        "col2im",
    ),
    *(
        "repeat",
        "repeat_interleave",
        "split",
        "split_with_sizes",
        "chunk",
        "unbind",
        "tensor_split",
        "cumsum",
        "diagonal",
    ),
    *("avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
    *("_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "mean", "sum", "pad", "constant_pad_nd", "movedim", "swapaxes"),
    *("reflection_pad1d", "reflection_pad2d", "replication_pad1d", "replication_pad2d", "upsample_nearest1d"),
    *("upsample_nearest2d", "upsample_bilinear2d", "upsample_linear1d", "lift_fresh_copy", "dropout", "expand_as"),
)
# Each value depends on one value of each source.
ELEMENTWISE = (*("add", "sub", "rsub", "neg", "mul", "div", "where", "lerp", "masked_fill"),)
# The constant tensors are the coefficients.
WEIGHTED = (
    *("linear", "addmm", "mm", "bmm", "matmul", "addmv", "conv1d", "conv2d", "conv3d", "convolution"),
    *("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
)


# Each value is a sum of several; the others of STRUCTURE copy.
SUMS = (
    *("avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
    *("_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "mean", "sum", "cumsum", "col2im", "upsample_bilinear2d"),
    *("upsample_linear1d",),
)
EXTRA = 6  # roundings of a value beside those of its sum: of products, of constants as they are kept, of a factor


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
        return _count_terms(self._call, self._shapes) if self._call.name in SUMS else 0

    def constants(self) -> Tensor:
        """Return the size of the constant terms."""
        like = torch.zeros((), dtype=torch.float64)
        return self._call(*self._zeros(like)).abs()


class Elementwise(Affine):
    """An affine function of each element."""

    terms = 2

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
        if self._call.name.startswith("add"):
            return sum(math.prod(shape) for shape in self._shapes)
        ones = [torch.ones(shape, dtype=torch.float64) for shape in self._shapes]
        return int(self._call.over(lambda each: (each != 0).to(each.dtype))(*ones).amax())


class BatchNorm(Elementwise):
    """A batch norm by what is kept."""

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


def _count_terms(call: Call, shapes: Shapes) -> int:
    """Return how many values a sum of a call has at most."""
    (shape, *_), name = shapes, call.name.removeprefix("_").removeprefix("adaptive_")
    if name in ("mean", "sum"):
        return math.prod(shape) // max(1, call(torch.zeros(shape)).numel())
    if not name.startswith("avg_pool"):
        return sum(math.prod(each) for each in shapes)
    rank, size = int(name[len("avg_pool")]), call.args[1]
    if "adaptive" in call.name:
        out = call(torch.zeros(shape)).shape
        return math.prod(side // n + 2 for side, n in zip(shape[-rank:], out[-rank:], strict=True))
    sides = [size] if isinstance(size, int) else list(size)
    return int(math.prod(sides)) ** (rank if len(sides) == 1 else 1)


def _is_product(call: Call, shapes: Shapes) -> bool:
    """Whether a call on each element is a product of two values; UnknownOptionError for what else is not affine."""
    if call.name == "div" and (mode := call.kwargs.get("rounding_mode")) is not None:
        raise UnknownOptionError(f"rounding_mode={mode!r}")
    if call.name == "div" and isinstance(call.args[1], Slot):
        raise UnknownOptionError("a divisor that depends on the input")
    if call.name == "lerp" and isinstance(call.args[2], Slot) and len(shapes) > 1:
        raise UnknownOptionError("a weight that depends on the input")
    return call.name == "mul" and len(shapes) > 1
