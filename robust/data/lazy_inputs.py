"""Inputs that are read when they are indexed, so that a data set may be larger than the memory."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, overload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from robust.attacks.layout import Layout
    from robust.data.resized import Change

IN_MEMORY = 2**28  # bytes of float32: larger inputs stay on the disk
PART = 2**24  # bytes that are read at once when all inputs are read


class Inputs(Protocol):
    """The inputs of a split, read row by row: an array, or an object that opens a file for each row."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: "NDArray[np.int64]", /) -> "NDArray[np.float32]": ...


class LazyInputs:
    """Some rows of inputs, indexed like an array of float32; each part is read again whenever it is indexed."""

    def __init__(self, source: Inputs, rows: "NDArray[np.int64]", shape: tuple[int, ...]) -> None:
        """Choose the `rows` of the source, (n,), in any order; `shape` is of one input."""
        self._source = source
        self._rows = rows
        self.shape = (len(rows), *shape)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def array(self) -> bool:
        """Whether its source is an array: see `is_array`."""
        return is_array(self._source)

    @property
    def layout(self) -> "Layout | None":
        """Return how several inputs lie in a row; None for a single input."""
        return getattr(self._source, "layout", None)

    @property
    def resize(self) -> str:
        """Name the steps from a Dataset's own resize on; "" if none is seen."""
        return str(getattr(self._source, "resize", ""))

    def read_changed(
        self, rows: "NDArray[np.int64]", changes: "Sequence[Change]"
    ) -> "tuple[NDArray[np.float32], list[tuple[int, int]]]":
        """Return the inputs in these rows, each of whose pictures was changed before the resize, and their sizes."""
        found: tuple[NDArray[np.float32], list[tuple[int, int]]] = self._source.read_changed(  # type: ignore[attr-defined]
            self._rows[rows], changes
        )
        return found

    @overload
    def __getitem__(self, part: "slice | NDArray[np.int64]", /) -> "NDArray[np.float32]": ...
    @overload
    def __getitem__(self, part: int, /) -> "NDArray[np.float32]": ...
    def __getitem__(self, part: "slice | NDArray[np.int64] | int", /) -> "NDArray[np.float32]":
        if isinstance(part, int):
            single: NDArray[np.float32] = self._source[self._rows[[part]]][0]
            return single
        return self._source[self._rows[part]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> "NDArray[Any]":
        """Return all inputs, in memory."""
        inputs = self[:]
        return inputs if dtype is None else inputs.astype(dtype)

    def take(self, rows: "NDArray[np.int64]") -> "LazyInputs":
        """Return the inputs in these rows, not yet read."""
        return LazyInputs(self._source, self._rows[rows], self.shape[1:])


def load_rows(source: Inputs, rows: "NDArray[np.int64]") -> "NDArray[np.float32] | LazyInputs":
    """Return rows of a source: as an array in memory, or as lazy inputs if they are large."""
    inputs = LazyInputs(source, rows, source[rows[:1]].shape[1:])
    return inputs if 4 * math.prod(inputs.shape) > IN_MEMORY else inputs[:]


def is_array(x: Inputs) -> bool:
    """Whether inputs are rows of an array, so that many are read at once; of others each is decoded or computed."""
    import numpy as np

    return isinstance(x, np.ndarray) or getattr(x, "array", False) is True


def iter_parts(x: "NDArray[np.float32] | LazyInputs") -> Iterator["NDArray[np.float32]"]:
    """Yield all inputs in order, some at a time."""
    step = max(1, PART // max(1, 4 * math.prod(x.shape[1:])))
    for start in range(0, len(x), step):
        yield x[start : start + step]
