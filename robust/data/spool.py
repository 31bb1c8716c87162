"""A spool for adversarial inputs, so that a run's memory does not grow with their number."""

import math
import tempfile
import weakref
from typing import IO

import numpy as np
from numpy.typing import NDArray

from robust.data.lazy_inputs import IN_MEMORY, PART


class Spool:
    """Inputs of one shape in the order of their arrival: in memory, and in a temporary file once they are large."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._n = 0
        self._parts: list[NDArray[np.float32]] = []  # the inputs that are not in the file
        self._file: IO[bytes] | None = None

    def add(self, x: NDArray[np.float32]) -> None:
        """Append inputs, (n, *shape); ValueError if the disk has no room."""
        self._n += len(x)
        self._parts += [np.ascontiguousarray(x, np.float32)] * bool(len(x))
        if self._large:
            self._write()

    def array(self) -> NDArray[np.float32]:
        """Return all inputs, (n, *shape); large inputs stay in the file, which is removed with the array."""
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
            fault = f"the adversarial inputs could not be put into {tempfile.gettempdir()}: {error}"
            raise ValueError(f"{fault}; set TMPDIR to a folder with room") from error
        self._parts = []


def pick_rows(x: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return x[rows], on the disk if it is large; x itself if `rows` are all rows in order."""
    if np.array_equal(rows, np.arange(len(x))):
        return x
    spool, step = Spool(x.shape[1:]), max(1, PART // max(1, 4 * math.prod(x.shape[1:])))
    for start in range(0, len(rows), step):
        spool.add(x[rows[start : start + step]])
    return spool.array()


def open_scratch_file(owner: object) -> IO[bytes]:
    """Open a temporary file without a name, in $TMPDIR, which is removed with `owner`."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 -- closed with its owner
    weakref.finalize(owner, file.close)
    return file
