"""Inputs put one after the other, so that a run's memory does not grow with what it finds."""

import math
import tempfile
import weakref
from typing import IO

import numpy as np
from numpy.typing import NDArray

from robust.data.lazy_inputs import IN_MEMORY, PART


class Spool:
    """Inputs of one shape in the order in which they came: in memory, and in a temporary file once they are large."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._n = 0
        self._parts: list[NDArray[np.float32]] = []  # those that are not in the file
        self._file: IO[bytes] | None = None

    def add(self, x: NDArray[np.float32]) -> None:
        """Put inputs, (n, *shape), on the pile; ValueError where the disk has no room."""
        self._n += len(x)
        self._parts += [np.ascontiguousarray(x, np.float32)] * bool(len(x))
        if self._large:
            self._write()

    def array(self) -> NDArray[np.float32]:
        """All, (n, *shape); large ones stay in the file, which goes when the array does."""
        if self._file is None:
            return np.concatenate([np.zeros((0, *self._shape), np.float32), *self._parts])
        self._file.flush()
        return np.memmap(self._file, np.float32, "r+", shape=(self._n, *self._shape))

    @property
    def _large(self) -> bool:
        return 4 * self._n * math.prod(self._shape) > IN_MEMORY

    def _write(self) -> None:
        try:
            self._file = self._file or open_scratch_file(self)
            for part in self._parts:
                self._file.write(part.data.cast("B"))
        except OSError as error:
            told = f"the adversarial inputs could not be put into {tempfile.gettempdir()}: {error}"
            raise ValueError(f"{told}; set TMPDIR to a folder with room") from error
        self._parts = []


def pick_rows(x: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """x[rows], which is x itself where these are all rows in order."""
    if np.array_equal(rows, np.arange(len(x))):
        return x
    pile, step = Spool(x.shape[1:]), max(1, PART // max(1, 4 * math.prod(x.shape[1:])))
    for start in range(0, len(rows), step):
        pile.add(x[rows[start : start + step]])
    return pile.array()


def open_scratch_file(owner: object) -> IO[bytes]:
    """A temporary file that has no name and is gone when `owner` is; $TMPDIR says where."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 -- closed with its owner
    weakref.finalize(owner, file.close)
    return file
