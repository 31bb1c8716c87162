"""Layouts: how several inputs of a model lie in one row of numbers, which is what attacks see.

A sample's parts stand one after the other in a row, (features,) of float32; whole numbers up to 2**24 do so exactly.
No torch at the top: data are declared without it.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from robust.attacks.registry import suggest

if TYPE_CHECKING:
    from torch import Tensor

EXACT = 2**24  # whole numbers up to here are exact in float32
FLOATS = ("float16", "bfloat16", "float32", "float64")
WHOLE = ("bool", "uint8", "int8", "int16", "int32", "int64")


@dataclass(frozen=True, slots=True)
class InputPart:
    """One input of a model: its name, its shape without the batch, the type that the model gets, and its bounds."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    lo: float = 0.0
    hi: float = 1.0

    @property
    def size(self) -> int:
        """Return how many numbers a sample has in it."""
        return math.prod(self.shape)

    @property
    def is_float(self) -> bool:
        """Whether its values are floats, which an attacker can move; whole numbers are fixed."""
        return self.dtype in FLOATS

    def __str__(self) -> str:
        return f"{self.name} {[*self.shape]} {self.dtype}"


@dataclass(frozen=True)
class Layout:
    """The inputs of a model in their order, and whether it is called with their names."""

    parts: tuple[InputPart, ...]
    named: bool = True

    @cached_property
    def features(self) -> int:
        """Return how many numbers a sample has."""
        return sum(part.size for part in self.parts)

    @cached_property
    def places(self) -> dict[str, slice]:
        """Return where each part stands in a row."""
        ends = [sum(part.size for part in self.parts[: k + 1]) for k in range(len(self.parts))]
        return {part.name: slice(end - part.size, end) for part, end in zip(self.parts, ends, strict=True)}

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the parts."""
        return tuple(part.name for part in self.parts)

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the lowest and the highest bound of the floats; 0 and 1 without any."""
        floats = [part for part in self.parts if part.is_float]
        return min((part.lo for part in floats), default=0.0), max((part.hi for part in floats), default=1.0)

    @property
    def ranges(self) -> tuple[tuple[float, float], ...]:
        """Return the bounds of each number of a row."""
        return tuple((part.lo, part.hi) for part in self.parts for _ in range(part.size))

    def __str__(self) -> str:
        return ", ".join(map(str, self.parts))

    def find(self, name: str) -> InputPart:
        """Return the part of that name; LookupError, with the nearest name, if there is none."""
        for part in self.parts:
            if part.name == name:
                return part
        raise LookupError(f"unknown part {suggest(name, self.names, 'part')}")

    def bound(self, bounds: Mapping[str, tuple[float, float]]) -> "Layout":
        """Return the layout with other bounds of some parts; LookupError or ValueError for what has no bounds."""
        for name, (lo, hi) in bounds.items():
            if not self.find(name).is_float:
                raise ValueError(f"the part {name} is of whole numbers, which are fixed, so it needs no bounds")
            if not lo < hi:
                raise ValueError(f"the part {name}: lo must be below hi, got {lo:g} and {hi:g}")
        parts = (
            replace(part, lo=bounds[part.name][0], hi=bounds[part.name][1]) if part.name in bounds else part
            for part in self.parts
        )
        return replace(self, parts=tuple(parts))

    @classmethod
    def of(cls, x: object, bounds: Mapping[str, tuple[float, float]] | None = None) -> "Layout":
        """Return the layout of tensors, given by name in a mapping or by position in a tuple; parts 0, 1, ...

        Raise ValueError or TypeError, in one line, for what is neither, or for tensors of different numbers of samples.
        """
        tensors = dict(iter_parts(x))
        counts = {name: len(tensor) for name, tensor in tensors.items()}
        check_counts(counts)
        parts = (
            InputPart(name, tuple(tensor.shape[1:]), str(tensor.dtype).removeprefix("torch."))
            for name, tensor in tensors.items()
        )
        layout = cls(tuple(parts), isinstance(x, Mapping))
        for part in layout.parts:
            if part.dtype not in (*FLOATS, *WHOLE):
                raise TypeError(f"the part {part.name} is {part.dtype}, expected floats, whole numbers or bool")
        return layout.bound(bounds or {})

    def pack(self, x: object) -> "Tensor":
        """Return the parts as rows, (n, features) of floats; ValueError if they are not as the layout says."""
        import torch

        found, tensors = Layout.of(x), dict(iter_parts(x))
        if self.named == found.named and {*self.names} == {*tensors}:  # a dict has no order
            tensors = {name: tensors[name] for name in self.names}
            found = Layout.of(tensors if self.named else x)
        if [(part.name, part.shape) for part in found.parts] != [(part.name, part.shape) for part in self.parts]:
            raise ValueError(f"the inputs are {found}, expected {self}")
        kinds = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
        kind = torch.float64 if torch.float64 in kinds else torch.float32
        for name, tensor in tensors.items():
            if not tensor.is_floating_point() and tensor.numel() and int(tensor.long().abs().amax()) > EXACT:
                raise ValueError(f"the part {name} has whole numbers above {EXACT}, which float32 cannot hold")
        return torch.cat(
            [
                tensor.flatten(1).to(kind) if tensor.dim() > 1 else tensor[:, None].to(kind)
                for tensor in tensors.values()
            ],
            1,
        )

    def unpack(self, rows: "Tensor") -> "dict[str, Tensor]":
        """Return the parts of rows, (n, features), by their names and in their types; gradients flow into floats."""
        import torch

        found = {}
        for part in self.parts:
            values = rows[:, self.places[part.name]].reshape(-1, *part.shape)
            if not part.is_float:
                values = values.detach().to(getattr(torch, part.dtype))
            found[part.name] = values
        return found

    def arrange(self, parts: "dict[str, Tensor]") -> "dict[str, Tensor] | tuple[Tensor, ...]":
        """Return the parts as the user has them: by name, or in a tuple."""
        return parts if self.named else tuple(parts.values())

    def to_json(self) -> str:
        """Return the layout as JSON."""
        return json.dumps({"named": self.named, "parts": [asdict(part) for part in self.parts]})

    @classmethod
    def from_json(cls, text: str) -> "Layout":
        """Read what `to_json` wrote."""
        content: dict[str, Any] = json.loads(text)
        parts = (InputPart(**{**part, "shape": tuple(part["shape"])}) for part in content["parts"])
        return cls(tuple(parts), content["named"])


def are_several(x: object) -> bool:
    """Whether inputs are several: in a mapping, or arrays or tensors in a tuple or a list."""
    if isinstance(x, Mapping):
        return True
    return isinstance(x, tuple | list) and len(x) > 0 and all(hasattr(part, "shape") for part in x)


def iter_parts(x: Any) -> "Iterator[tuple[str, Any]]":
    """Yield the parts of several inputs with their names: the keys of a mapping, or 0, 1, ... of a tuple."""
    if not are_several(x):
        raise TypeError(f"the inputs are {type(x).__name__}, expected several: a dict by name, or a tuple by position")
    for name, part in x.items() if isinstance(x, Mapping) else enumerate(x):
        if isinstance(x, Mapping) and not str(name).isidentifier():
            raise ValueError(f"a part is called {str(name)!r}, expected a name that a model's argument can have")
        yield str(name), part


def check_counts(counts: Mapping[str, int]) -> None:
    """Raise ValueError if the parts, given by name, have different numbers of samples."""
    if not counts:
        raise ValueError("there are no inputs: the dict, or the tuple, is empty")
    (first, n), *others = counts.items()
    for name, other in others:
        if other != n:
            raise ValueError(f"the part {name} has {other} samples and {first} has {n}; expected as many of each")
