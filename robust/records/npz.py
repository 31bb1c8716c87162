"""Archives of arrays that strangers made: what a header claims is checked before memory is allocated. No pickles."""

import math
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:  # collecting a run reads what imports this
    import numpy as np
    from numpy.typing import NDArray

SMALL = 2**28  # bytes of an array that may be packed at any ratio, and that is read into memory
MAX_RATIO = 100  # of a packed array's bytes to those in the file; a larger ratio is a bomb


def read_npz(file: Path | IO[bytes], needed: Iterable[str], optional: Iterable[str] = ()) -> "dict[str, NDArray[Any]]":
    """Return the arrays of an .npz by name, those of `optional` that it holds; any Exception if it is damaged."""
    from numpy.lib import format as npy

    with zipfile.ZipFile(file) as archive:
        held = {*archive.namelist()}
        names = [*needed, *(name for name in optional if f"{name}.npy" in held)]
        arrays = {}
        for name in names:
            if f"{name}.npy" not in held:
                raise ValueError(f"it has no array {name}")
            member = archive.getinfo(f"{name}.npy")
            check_member(archive, member)
            with archive.open(member) as content:
                arrays[name] = npy.read_array(content, allow_pickle=False)
    return arrays


def check_array(arrays: "Mapping[str, NDArray[Any]]", name: str, kinds: str, shape: tuple[int | None, ...]) -> None:
    """Check the kind of an array (letters of numpy: "iu" are whole numbers), and its shape; raise ValueError."""
    array = arrays[name]
    fits = len(array.shape) == len(shape) and all(b is None or a == b for a, b in zip(array.shape, shape, strict=True))
    if array.dtype.kind not in kinds or not fits:
        expected = ", ".join("any" if side is None else str(side) for side in shape)
        raise ValueError(
            f"{name} is {array.dtype} of shape {list(array.shape)}, expected kind {kinds!r} of [{expected}]"
        )


def check_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo
) -> "tuple[tuple[int, ...], bool, np.dtype[Any], int]":
    """Return (shape, Fortran order or not, type, start of the numbers) of a packed array; ValueError for a bomb."""
    if member.file_size > max(SMALL, MAX_RATIO * member.compress_size):
        raise ValueError(f"{member.filename} unpacks to {member.file_size} bytes from {member.compress_size}")
    with archive.open(member) as file:
        shape, fortran, dtype = read_header(file)
        start = file.tell()
    claimed = math.prod(shape) * dtype.itemsize
    if claimed != member.file_size - start:
        actual = member.file_size - start
        raise ValueError(f"{member.filename} claims {list(shape)} of {dtype}, {claimed} bytes, and holds {actual}")
    return shape, fortran, dtype, start


def read_header(file: IO[bytes]) -> "tuple[tuple[int, ...], bool, np.dtype[Any]]":
    """Return (shape, whether in Fortran's order, type) of an array; ValueError if it holds Python objects."""
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are pickles and can run code; save numbers")
    if min(shape, default=0) < 0:
        raise ValueError(f"its shape is {list(shape)}")
    return shape, fortran, dtype
