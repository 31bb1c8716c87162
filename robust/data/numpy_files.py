"""Files of numpy, also of strangers: what a header claims is held against what is there before memory is taken."""

import math
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from robust.attacks.text import brief, first_line, printable
from robust.data.dataset import Split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SMALL = 2**28  # bytes: what a packed array may have whatever the size of its file, and what is brought into memory
RATIO = 100  # of a packed array's bytes to those in the file: more is a bomb


def array_names(split: Split) -> list[tuple[str, str]]:
    """What inputs and labels of a split may be called."""
    return [(f"x_{split}", f"y_{split}"), *([("x", "y")] if split == "test" else [])]


def map_array(path: Path) -> "NDArray[Any]":
    """The array of a .npy, left on the disk; ValueError, in one line, where it is damaged or holds Python objects."""
    import numpy as np

    try:
        with path.open("rb") as file:
            shape, fortran, dtype = _header(file)
            start, claimed = file.tell(), math.prod(shape) * dtype.itemsize
        if claimed != path.stat().st_size - start:
            raise ValueError(
                f"{list(shape)} of {dtype} are {claimed} bytes, and {path.stat().st_size - start} are there"
            )
        if not claimed:
            return np.zeros(shape, dtype)
        return np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C")
    except Exception as error:  # a damaged file raises anything
        raise ValueError(f"{printable(path.name)} is not a sound file of numpy.save: {_line(error)}") from error


def read_npz(path: Path, pairs: list[tuple[str, str]]) -> "tuple[NDArray[Any], NDArray[Any]]":
    """The first of the pairs of arrays that a .npz holds; ValueError as for `mapped`, or where it holds none."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
        pair = next((pair for pair in pairs if {*pair} <= {*names}), None)
        if pair is not None:
            x, y = read_arrays(path, pair)
            return x, y
    except Exception as error:
        raise ValueError(f"{printable(path.name)} is not a sound file of numpy.savez: {_line(error)}") from error
    wanted = " or ".join(f"{x} and {y}" for x, y in pairs)
    held = ", ".join(map(printable, names[:9])) or "nothing"
    raise ValueError(f"{printable(path.name)} holds {held}; expected {wanted}")


def read_arrays(path: Path, names: Iterable[str]) -> "list[NDArray[Any]]":
    """Arrays of a .npz: in memory, or where they are if they are large and not compressed. Whatever zipfile raises."""
    import numpy as np

    with zipfile.ZipFile(path) as archive, np.load(path, allow_pickle=False) as file:
        found: list[NDArray[Any]] = []
        for name in names:
            member = archive.getinfo(f"{name}.npy")
            shape, fortran, dtype, start = _checked(archive, member)
            if member.compress_type == zipfile.ZIP_STORED and member.file_size > SMALL:
                at = _beginning(path, member) + start
                found.append(np.memmap(path, dtype, "r", at, shape, "F" if fortran else "C"))
            else:
                found.append(file[name])
    return found


def _checked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> "tuple[tuple[int, ...], bool, np.dtype[Any], int]":
    """(shape, whether in Fortran's order, type, where the numbers begin) of a packed array."""
    if member.file_size > max(SMALL, RATIO * member.compress_size):
        raise ValueError(f"{member.filename} unpacks to {member.file_size} bytes from {member.compress_size}")
    with archive.open(member) as file:
        shape, fortran, dtype = _header(file)
        start = file.tell()
    claimed = math.prod(shape) * dtype.itemsize
    if claimed != member.file_size - start:
        told = f"{list(shape)} of {dtype}, {claimed} bytes, and holds {member.file_size - start}"
        raise ValueError(f"{member.filename} claims {told}")
    return shape, fortran, dtype, start


def _beginning(path: Path, member: zipfile.ZipInfo) -> int:
    """Where a member's content begins in the file: after a header with its name and more."""
    with path.open("rb") as file:
        file.seek(member.header_offset + 26)
        name, more = struct.unpack("<HH", file.read(4))
    return member.header_offset + 30 + int(name) + int(more)


def _header(file: IO[bytes]) -> "tuple[tuple[int, ...], bool, np.dtype[Any]]":
    """(shape, whether in Fortran's order, type) of an array; ValueError where it holds Python objects."""
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are pickles and can run code; save numbers")
    if min(shape, default=0) < 0:
        raise ValueError(f"its shape is {list(shape)}")
    return shape, fortran, dtype


def _line(error: Exception) -> str:
    return brief(first_line(error))
