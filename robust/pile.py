"""Inputs put one after the other, so that a run's memory does not grow with what it finds."""

import math
import tempfile

import numpy as np
from numpy.typing import NDArray

from robust.data.rows import IN_MEMORY, PART


class Pile:
    """Inputs of one shape in the order in which they came: in memory, and in a temporary file once they are large."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._n = 0
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 -- as long as this lives

    def add(self, x: NDArray[np.float32]) -> None:
        """Put inputs, (n, *shape), on the pile; ValueError where the disk has no room."""
        try:
            self._file.write(np.ascontiguousarray(x, np.float32).data.cast("B"))
        except OSError as error:
            told = f"the adversarial inputs could not be put into {tempfile.gettempdir()}: {error}"
            raise ValueError(f"{told}; set TMPDIR to a folder with room") from error
        self._n += len(x)

    def array(self) -> NDArray[np.float32]:
        """All, (n, *shape); large ones stay in the file, which goes when the array does."""
        shape = (self._n, *self._shape)
        if 4 * math.prod(shape) > IN_MEMORY:
            self._file.rollover()
            self._file.flush()
            return np.memmap(self._file, np.float32, "r+", shape=shape)
        found = np.empty(shape, np.float32)
        self._file.seek(0)
        self._file.readinto(found.data.cast("B"))
        return found


def picked(x: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """x[rows], which is x itself where these are all rows in order."""
    if np.array_equal(rows, np.arange(len(x))):
        return x
    pile, step = Pile(x.shape[1:]), max(1, PART // max(1, 4 * math.prod(x.shape[1:])))
    for start in range(0, len(rows), step):
        pile.add(x[rows[start : start + step]])
    return pile.array()
