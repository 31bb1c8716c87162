"""The pictures of some samples before a Dataset's own resize, found by the inputs that are made of them."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, cast

from robust.data.bounds import Bounds, Clamped
from robust.data.lazy_inputs import Inputs, iter_parts
from robust.data.remarks import Remarks
from robust.data.resized import Change

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from robust.data.lazy_inputs import LazyInputs

    Kept = NDArray[np.float32] | LazyInputs


class Resized(Protocol):
    """Inputs of a split that a Dataset makes of pictures."""

    @property
    def resize(self) -> str:
        """Name the steps from the Dataset's resize on; "" if none is seen."""
        ...

    def read_changed(
        self, rows: "NDArray[np.int64]", changes: Sequence[Change]
    ) -> "tuple[NDArray[np.float32], list[tuple[int, int]]]":
        """Return inputs, (n, *shape), of which each picture was changed before the resize, and their sizes there."""
        ...


class Pictures:
    """The pictures of samples before a Dataset's own resize. One that several samples share in their inputs is one."""

    def __init__(self, source: Inputs, rows: "NDArray[np.int64]", x: "Kept", bounds: Bounds, remarks: Remarks) -> None:
        """Take the inputs x of a split, (n, *shape), which stand in these rows, (n,), of its `source`."""
        self._source = source
        self._own = rows
        self._x = x
        self._bounds = bounds
        self._remarks = remarks
        self.sizes: set[tuple[int, int]] = set()  # height and width of what was changed

    @cached_property
    def resize(self) -> str:
        """Name the steps from the resize on, as "Resize(32), ToTensor"; "" if none is seen."""
        return str(getattr(self._source, "resize", ""))

    @cached_property
    def _rows(self) -> dict[bytes, int]:
        """The row in the split of each input, by its digest; of equal inputs the first."""
        rows: dict[bytes, int] = {}
        digests = (_digest(x) for part in iter_parts(self._x) for x in part)
        for digest, row in zip(digests, self._own.tolist(), strict=True):
            rows.setdefault(digest, row)
        return rows

    def find_rows(self, x: "NDArray[np.float32]") -> "NDArray[np.int64]":
        """Return the rows in the split of inputs x, (n, *shape); ValueError if one is no input of the samples."""
        import numpy as np

        rows = [self._rows.get(_digest(one)) for one in x]
        if None in rows:
            raise ValueError(
                "an input is none of the data set's, so that its picture before the resize is not known; give "
                "corruption:3:after to corrupt inputs as they are"
            )
        return np.array(rows, np.int64)

    def remake(self, x: "NDArray[np.float32]", changes: Sequence[Change]) -> "NDArray[np.float32]":
        """Return inputs x, (n, *shape), made of their pictures once more, each changed before the resize.

        A resize may overshoot on changed pictures alone: what leaves the bounds is moved onto them.
        """
        if not len(x):
            return x.copy()
        changed = _Changed(cast("Resized", self._source), changes, self.sizes)
        made: NDArray[np.float32] = Clamped(changed, self._bounds, self._remarks)[self.find_rows(x)].clip(*self._bounds)
        return made


class _Changed:
    """Inputs made of pictures that are changed, each in a way of its own, as they are read."""

    def __init__(self, source: Resized, changes: Sequence[Change], sizes: set[tuple[int, int]]) -> None:
        self._source = source
        self._changes = changes
        self._sizes = sizes

    def __len__(self) -> int:
        return len(self._changes)

    def __getitem__(self, rows: "NDArray[np.int64]") -> "NDArray[np.float32]":
        inputs, sizes = self._source.read_changed(rows, self._changes)
        self._sizes.update(sizes)
        return inputs


def _digest(x: "NDArray[np.float32]") -> bytes:
    import numpy as np

    return hashlib.sha256(np.ascontiguousarray(x, np.float32).tobytes()).digest()
