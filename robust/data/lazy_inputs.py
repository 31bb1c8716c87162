"""Inputs that are read where they are asked for, so that a data set may be larger than the memory."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, overload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IN_MEMORY = 2**28  # bytes of float32: inputs that need more stay where they are
PART = 2**24  # bytes that are read at once to look at all


class Inputs(Protocol):
    """The inputs of a split, read row by row: an array, or what opens a file for each row that is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: "NDArray[np.int64]", /) -> "NDArray[np.float32]": ...


class LazyInputs:
    """Some rows of inputs, indexed as an array of float32 is; each part is read anew whenever it is asked for."""

    def __init__(self, source: Inputs, rows: "NDArray[np.int64]", shape: tuple[int, ...]) -> None:
        """`rows` are numbers of the source's, in any order; `shape` is of one input."""
        self._source = source
        self._rows = rows
        self.shape = (len(rows), *shape)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, part: "slice | NDArray[np.int64]", /) -> "NDArray[np.float32]": ...
    @overload
    def __getitem__(self, part: int, /) -> "NDArray[np.float32]": ...
    def __getitem__(self, part: "slice | NDArray[np.int64] | int", /) -> "NDArray[np.float32]":
        if isinstance(part, int):
            alone: NDArray[np.float32] = self._source[self._rows[[part]]][0]
            return alone
        return self._source[self._rows[part]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> "NDArray[Any]":
        """All of them, in memory."""
        found = self[:]
        return found if dtype is None else found.astype(dtype)

    def only(self, rows: "NDArray[np.int64]") -> "LazyInputs":
        """Some of these."""
        return LazyInputs(self._source, self._rows[rows], self.shape[1:])


def load_rows(source: Inputs, rows: "NDArray[np.int64]") -> "NDArray[np.float32] | LazyInputs":
    """Rows of a source: in memory, or where they are if they are large."""
    found = LazyInputs(source, rows, source[rows[:1]].shape[1:])
    return found if 4 * math.prod(found.shape) > IN_MEMORY else found[:]


def iter_parts(x: "NDArray[np.float32] | LazyInputs") -> Iterator["NDArray[np.float32]"]:
    """All of the inputs in order, some at a time."""
    step = max(1, PART // max(1, 4 * math.prod(x.shape[1:])))
    for start in range(0, len(x), step):
        yield x[start : start + step]
