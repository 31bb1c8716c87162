"""Protocols of operators and of their bounds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

# Relative, of float64 sums in whatever order: an interval is widened by it, so that rounding never cuts it.
ROUNDING = 1e-12


class Interval(NamedTuple):
    """Bounds of a value, (b, 1, ...) each, for b samples."""

    lo: Tensor
    hi: Tensor

    def widen(self) -> "Interval":
        """Return it with room for the rounding of what computed it; as it is in float32, which proves nothing."""
        if self.lo.dtype != torch.float64:
            return self
        room = ROUNDING * (self.lo.abs() + self.hi.abs())
        return Interval(self.lo - room, self.hi + room)

    def widen_ends(self) -> "Interval":
        """Return it with room for the rounding of a function, which is relative to its value at each end."""
        if self.lo.dtype != torch.float64:
            return self
        return Interval(self.lo - ROUNDING * self.lo.abs(), self.hi + ROUNDING * self.hi.abs())

    def size(self) -> Tensor:
        """Return the largest size of each value."""
        return torch.maximum(self.lo.abs(), self.hi.abs())

    def meet(self, other: "Interval") -> "Interval":
        """Return the tighter of both bounds on each side."""
        return Interval(torch.fmax(self.lo, other.lo), torch.fmin(self.hi, other.hi))

    def tighten(self, which: Tensor, low: Tensor, high: Tensor) -> "Interval":
        """Return it with the values at the flat indices `which`, (k,), no further apart than low and high, (b, k).

        What is not a number stays so: it says that the value may be none, which no bound of numbers may hide.
        """
        lo, hi = (flat(each, 1).clone() for each in self)
        lo[:, which] = torch.maximum(lo[:, which], low)
        hi[:, which] = torch.minimum(hi[:, which], high)
        return Interval(lo.reshape(self.lo.shape), hi.reshape(self.hi.shape))


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of the n-th value in the arguments of a call."""

    n: int


@dataclass(frozen=True, slots=True, repr=False)  # torch.vmap asks for it at each call, and would print the constants
class Call:
    """A function of torch with its constants; what it is called with fills the slots."""

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    index: int | None = None  # which of its values, if it has several

    @property
    def name(self) -> str:
        """Return the operator's name in ATen: "relu"; "getitem" for what is no operator."""
        schema = getattr(self.function, "_schema", None)
        return str(schema.name if schema else self.function.__name__).removeprefix("aten::")

    def __call__(self, *values: Tensor) -> Tensor:
        """Return the function's value for values of one sample, (1, ...) each."""
        args, kwargs = pytree.tree_map_only(Slot, lambda slot: values[slot.n], (self.args, self.kwargs))
        result = self.function(*args, **kwargs)
        value: Tensor = result if self.index is None else result[self.index]
        return value

    def __repr__(self) -> str:
        """Return its function alone: torch.vmap asks for it at each call, and tensors take long to write."""
        return f"Call({self.function})"

    def over(self, change: Callable[[Tensor], Tensor]) -> "Call":
        """Return the call with each constant tensor of floats changed."""
        args, kwargs = pytree.tree_map_only(
            Tensor, lambda each: change(each) if each.is_floating_point() else each, (self.args, self.kwargs)
        )
        return Call(self.function, args, kwargs, self.index)

    def constant(self, place: int, name: str, default: Any) -> Any:
        """Return the constant argument at a place, or of a name."""
        return self.args[place] if place < len(self.args) else self.kwargs.get(name, default)


Shapes = Sequence[tuple[int, ...]]


class Lines(Protocol):
    """An affine function below an operator's value, and one above, of its sources."""

    def back(self, a: Tensor) -> tuple[Sequence[Tensor], Tensor]:
        """Return, for each row of a, (b, k, 1, ...), coefficients of the sources and a constant, (b, k).

        With them an affine function of the sources is at most a times the operator's value, for values within the
        intervals that the lines were made for.
        """
        ...


def flat(values: Tensor, dims: int) -> Tensor:
    """Return values with all dimensions after the first `dims` as one, though it be of none."""
    return values.reshape(*values.shape[:dims], -1)


class Operator(Protocol):
    """A function of one or more values of a network, and its bounds."""

    @property
    def affine(self) -> bool:
        """Whether the function is affine; then its lines are the function, whatever the bounds."""
        ...

    def value(self, *values: Tensor) -> Tensor:
        """Return the value, (n, 1, ...), for values of n samples."""
        ...

    def interval(self, *sources: Interval) -> Interval:
        """Return bounds of the value from bounds of its sources."""
        ...

    def relax(self, *sources: Interval) -> Lines:
        """Return lines around the value for sources within these bounds."""
        ...

    def undecided(self, *sources: Interval) -> Sequence[Tensor]:
        """Mark, in each source, (b, 1, ...) bool, the values whose tighter bounds would move the lines."""
        ...

    def rounding(self, *sources: Interval) -> tuple[float, Tensor | float]:
        """Return by how much the deployed value is off: a number of roundings, and the size that each is relative to.

        Each rounding is of at most the unit of the network's type; sums may be in any order. 0: nothing is rounded.
        """
        ...
