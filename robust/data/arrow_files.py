"""Files of Arrow and parquet, read with pyarrow: of strangers too, so what they claim is checked before it is used."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from robust.attacks.text import brief, first_line, printable
from robust.data.spool import open_scratch_file

GROWTH = 100  # what a file may say it holds, over its size: pictures are compressed already
AT_ONCE = 32  # rows of parquet that are unpacked at once
BUFFER = 2**20  # bytes of parquet that are read at once


class Table(Protocol):
    """A file of either kind, with a column of pictures and one of labels."""

    path: Path
    labels: NDArray[Any]  # (n,)

    def picture(self, row: int) -> bytes | None:
        """Encoded, as it lies there; None where there is none."""
        ...


def read_schema(path: Path) -> Any:
    """Of the file's columns: pyarrow.Schema."""
    with _sound(path):
        if _is_parquet(path):
            return _parquet(path).schema_arrow
        return _pyarrow().ipc.open_stream(_pyarrow().memory_map(str(path))).schema


def open_table(path: Path, image: str, label: str) -> Table:
    """The file with these columns; ValueError, in one line, where it is damaged or claims what it cannot hold."""
    with _sound(path):
        return _Parquet(path, image, label) if _is_parquet(path) else _Arrow(path, image, label)


class _Arrow:
    """A stream as `datasets` saves it, mapped into memory."""

    def __init__(self, path: Path, image: str, label: str) -> None:
        pa = _pyarrow()
        self.path = path
        table = pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
        self.labels = _numbers(table.column(label))
        pictures = table.column(image)
        pictures.validate(full=True)  # or a wrong offset reads elsewhere in memory
        self._pictures = pa.chunked_array([_bytes(chunk) for chunk in pictures.chunks], pa.binary())

    def picture(self, row: int) -> bytes | None:
        found: bytes | None = self._pictures[row].as_py()
        return found


class _Parquet:
    """Parquet is read from the beginning of a row group only: one is copied to a temporary file when it is needed."""

    def __init__(self, path: Path, image: str, label: str) -> None:
        self.path = path
        self._image = image
        self._file = _parquet(path)
        self._most = GROWTH * path.stat().st_size
        groups = [self._file.metadata.row_group(k) for k in range(self._file.num_row_groups)]
        sizes = [group.num_rows for group in groups]
        claimed = max([sum(sizes), *(group.total_byte_size for group in groups)])
        if min([0, *sizes]) < 0 or claimed > self._most:
            raise ValueError(f"it claims {sum(sizes)} rows and {claimed} bytes, in a file of {path.stat().st_size}")
        self._starts = np.cumsum([0, *sizes])
        self.labels = _numbers(self._file.read(columns=[label]).column(label))
        self._copied: dict[int, list[slice | None]] = {}  # where the pictures of a row group are in the copy
        self._copy = open_scratch_file(self)

    def picture(self, row: int) -> bytes | None:
        group = int(np.searchsorted(self._starts, row, "right")) - 1
        with _sound(self.path):
            if group not in self._copied:
                self._copied[group] = [*self._copy_of(group)]
            place = self._copied[group][row - int(self._starts[group])]
        if place is None:
            return None
        self._copy.seek(place.start)
        return self._copy.read(place.stop - place.start)

    def _copy_of(self, group: int) -> Iterator[slice | None]:
        """Of each picture where it was put."""
        at = self._copy.seek(0, 2)
        for batch in self._file.iter_batches(AT_ONCE, [group], [self._image]):
            for content in _bytes(batch.column(0)).to_pylist():
                if content is not None:
                    at += self._copy.write(content)
                if at > self._most:
                    raise ValueError(f"it unpacks to more than {GROWTH} times its size")
                yield None if content is None else slice(at - len(content), at)


def _bytes(pictures: Any) -> Any:
    """An array of encoded pictures, whatever holds them, as pyarrow's binary."""
    pa = _pyarrow()
    held = pictures.field("bytes") if isinstance(pictures, pa.StructArray) else pictures
    return held.cast(pa.binary())


def _numbers(column: Any) -> NDArray[Any]:
    column.validate(full=True)
    if column.null_count:
        raise ValueError(f"{column.null_count} rows have no label")
    found: NDArray[Any] = column.to_numpy()
    return found


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _parquet(path: Path) -> Any:
    from pyarrow.parquet import ParquetFile

    return ParquetFile(path, buffer_size=BUFFER, pre_buffer=False)  # or a whole row group would be in memory


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    try:
        yield
    except ImportError:
        raise ValueError("files of Arrow and parquet need pyarrow: pip install 'pytest-robust[arrow]'") from None
    except Exception as error:  # a damaged file raises anything
        told = first_line(error)
        raise ValueError(f"{printable(path.name)} is not a sound file of Arrow or parquet: {brief(told)}") from error


def _pyarrow() -> Any:
    import pyarrow as pa
    import pyarrow.ipc

    return pyarrow and pa
