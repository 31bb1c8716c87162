"""Files of numpy. They are not trusted: a header's claims are checked before memory is allocated."""

import math
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust.attacks.files import open_regular, refuse_irregular
from robust.attacks.text import brief, first_line, printable
from robust.data.dataset import Split
from robust.records.npz import SMALL, check_member, read_header

if TYPE_CHECKING:
    from numpy.typing import NDArray


def array_names(split: Split) -> list[tuple[str, str]]:
    """Return the names that the (inputs, labels) of a split may have."""
    return [(f"x_{split}", f"y_{split}"), *([("x", "y")] if split == "test" else [])]


def map_array(path: Path) -> "NDArray[Any]":
    """Map the array of a .npy, left on the disk; ValueError, in one line, if it is damaged or holds Python objects."""
    import numpy as np

    try:
        with open_regular(path) as file:
            shape, fortran, dtype = read_header(file)
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
    """Return the first of the pairs of arrays that a .npz holds; ValueError as in `map_array`, or if it holds none."""
    try:
        refuse_irregular(path)
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
        pair = next((pair for pair in pairs if {*pair} <= {*names}), None)
        if pair is not None:
            x, y = read_arrays(path, pair)
            return x, y
    except Exception as error:
        raise ValueError(f"{printable(path.name)} is not a sound file of numpy.savez: {_line(error)}") from error
    expected = " or ".join(f"{x} and {y}" for x, y in pairs)
    actual = ", ".join(map(printable, names[:9])) or "nothing"
    raise ValueError(f"{printable(path.name)} holds {actual}; expected {expected}")


def read_arrays(path: Path, names: Iterable[str]) -> "list[NDArray[Any]]":
    """Return arrays of a .npz: in memory, or mapped if they are large and not compressed.

    ValueError, or whatever zipfile raises, if the file is damaged.
    """
    refuse_irregular(path)
    try:
        return _read_members(path, names)
    except (EOFError, RuntimeError, zlib.error) as error:  # of a byte that now says: encrypted, of another version
        raise ValueError(f"{path.name} is damaged: {str(error) or type(error).__name__}") from error


def _read_members(path: Path, names: Iterable[str]) -> "list[NDArray[Any]]":
    import numpy as np

    with zipfile.ZipFile(path) as archive, np.load(path, allow_pickle=False) as file:
        arrays: list[NDArray[Any]] = []
        for name in names:
            member = archive.getinfo(f"{name}.npy")
            shape, fortran, dtype, start = check_member(archive, member)
            if member.compress_type == zipfile.ZIP_STORED and member.file_size > SMALL:
                at = _content_start(path, member) + start
                arrays.append(np.memmap(path, dtype, "r", at, shape, "F" if fortran else "C"))
            else:
                arrays.append(file[name])
    return arrays


def _content_start(path: Path, member: zipfile.ZipInfo) -> int:
    """Return where a member's content begins in the file, after a header with its name and extra fields."""
    with path.open("rb") as file:
        file.seek(member.header_offset + 26)
        name, extra = struct.unpack("<HH", file.read(4))
    return member.header_offset + 30 + int(name) + int(extra)


def _line(error: Exception) -> str:
    return brief(first_line(error))
