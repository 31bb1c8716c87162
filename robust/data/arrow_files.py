"""Files of Arrow and parquet, read with pyarrow. They are not trusted: what they claim is checked before it is used."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from robust.attacks.files import open_regular
from robust.attacks.text import brief, first_line, printable
from robust.data.arrow_message import unpacked_size
from robust.data.spool import open_scratch_file

MAX_GROWTH = 100  # of the content over the size of the file, since images are compressed already
BATCH_ROWS = 32  # of parquet, unpacked at once
BUFFER = 2**20  # bytes of parquet, read at once


class Table(Protocol):
    """A file of either kind, with a column of images and one of labels."""

    path: Path
    labels: NDArray[Any]  # (n,)

    def image(self, row: int) -> bytes | None:
        """Return the encoded image of a row; None if it has none."""
        ...


def read_schema(path: Path) -> Any:
    """Return the schema of the file's columns, a pyarrow.Schema; ValueError, in one line, if the file is damaged."""
    with _checked(path):
        if _is_parquet(path):
            return _parquet(path).schema_arrow
        return _pyarrow().ipc.open_stream(_pyarrow().memory_map(str(path))).schema


def open_table(path: Path, image: str, label: str) -> Table:
    """Open the file with these columns; ValueError, in one line, if it is damaged or claims more than it can hold."""
    with _checked(path):
        return _Parquet(path, image, label) if _is_parquet(path) else _Arrow(path, image, label)


class _Arrow:
    """A stream in the form that `datasets` saves, mapped into memory."""

    def __init__(self, path: Path, image: str, label: str) -> None:
        pa = _pyarrow()
        self.path = path
        table = _read_stream(path)
        self.labels = _numbers(table.column(label))
        images = table.column(image)
        images.validate(full=True)  # otherwise a wrong offset reads elsewhere in memory
        self._images = pa.chunked_array([_bytes(chunk) for chunk in images.chunks], pa.binary())

    def image(self, row: int) -> bytes | None:
        content: bytes | None = self._images[row].as_py()
        return content


class _Parquet:
    """A file of parquet, whose row groups are each copied to a temporary file when they are needed.

    The copy gives access to single rows: parquet itself is read only from the beginning of a row group.
    """

    def __init__(self, path: Path, image: str, label: str) -> None:
        self.path = path
        self._column = image
        self._file = _parquet(path)
        self._max_bytes = MAX_GROWTH * path.stat().st_size
        groups = [self._file.metadata.row_group(k) for k in range(self._file.num_row_groups)]
        sizes = [group.num_rows for group in groups]
        claimed = max([sum(sizes), *(group.total_byte_size for group in groups)])
        if min([0, *sizes]) < 0 or claimed > self._max_bytes:
            raise ValueError(f"it claims {sum(sizes)} rows and {claimed} bytes, in a file of {path.stat().st_size}")
        self._starts = np.cumsum([0, *sizes])
        self.labels = _numbers(self._file.read(columns=[label]).column(label))
        self._copied: dict[int, list[slice | None]] = {}  # where the images of a row group are in the copy
        self._copy = open_scratch_file(self)

    def image(self, row: int) -> bytes | None:
        group = int(np.searchsorted(self._starts, row, "right")) - 1
        with _checked(self.path):
            if group not in self._copied:
                self._copied[group] = [*self._copy_group(group)]
            place = self._copied[group][row - int(self._starts[group])]
        if place is None:
            return None
        self._copy.seek(place.start)
        return self._copy.read(place.stop - place.start)

    def _copy_group(self, group: int) -> Iterator[slice | None]:
        """Copy the images of a row group; yield the place of each."""
        at = self._copy.seek(0, 2)
        for batch in self._file.iter_batches(BATCH_ROWS, [group], [self._column]):
            for content in _bytes(batch.column(0)).to_pylist():
                if content is not None:
                    at += self._copy.write(content)
                if at > self._max_bytes:
                    raise ValueError(f"it unpacks to more than {MAX_GROWTH} times its size")
                yield None if content is None else slice(at - len(content), at)


def _read_stream(path: Path) -> Any:
    """Return the table of a stream; ValueError if it unpacks to more, or has more rows, than its size allows."""
    pa, size = _pyarrow(), path.stat().st_size
    unpacked = 0
    for message in pa.ipc.MessageReader.open_stream(pa.memory_map(str(path))):
        unpacked += unpacked_size(memoryview(message.metadata), memoryview(message.body or b""))
        if unpacked > MAX_GROWTH * size:
            raise ValueError(f"it unpacks to {unpacked} bytes, in a file of {size}")
    table = pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
    if table.num_rows > size:  # each has a label at least; columns of nulls take no bytes
        raise ValueError(f"it claims {table.num_rows} rows, in a file of {size} bytes")
    return table


def _bytes(images: Any) -> Any:
    """Return an array of encoded images, in structs or not, as pyarrow's binary."""
    pa = _pyarrow()
    content = images.field("bytes") if isinstance(images, pa.StructArray) else images
    return content.cast(pa.binary())


def _numbers(column: Any) -> NDArray[Any]:
    column.validate(full=True)
    if column.null_count:
        raise ValueError(f"{column.null_count} rows have no label")
    numbers: NDArray[Any] = column.to_numpy()
    return numbers


def _is_parquet(path: Path) -> bool:
    with open_regular(path) as file:
        return file.read(4) == b"PAR1"


def _parquet(path: Path) -> Any:
    from pyarrow.parquet import ParquetFile

    return ParquetFile(path, buffer_size=BUFFER, pre_buffer=False)  # otherwise a whole row group is in memory


@contextmanager
def _checked(path: Path) -> Iterator[None]:
    """Turn whatever reading the file raises into a ValueError in one line."""
    try:
        yield
    except ImportError:
        raise ValueError("files of Arrow and parquet need pyarrow: pip install 'pytest-robust[arrow]'") from None
    except Exception as error:  # a damaged file raises anything
        fault = brief(first_line(error))
        raise ValueError(f"{printable(path.name)} is not a sound file of Arrow or parquet: {fault}") from error


def _pyarrow() -> Any:
    import pyarrow as pa
    import pyarrow.ipc

    return pyarrow and pa
