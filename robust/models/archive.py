"""Zip archives of strangers: the names in them, and nothing unpacked. No torch in this file."""

import os
import struct
import zipfile
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from robust.attacks.spec import printable

SIGNATURE = b"PK\x03\x04"
MOST_DIRECTORY = 2**24  # bytes of an archive's table of contents: a hundred times that of a large model
MOST_COMPRESSED = 2**26  # bytes that may be hidden by compression
TAIL = 2**16 + 22 + 20 + 56  # where that table's size is told: the end's records, and the longest comment


def member_names(path: Path) -> tuple[str, ...]:
    """The names in an archive; ValueError where it is damaged, leads out of itself, or unpacks to much more than it is.

    What is large in an archive of torch's, the tensors, is stored as it is; only code is compressed.
    """
    try:
        with path.open("rb") as file:
            _bound(file)
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
    except Exception as error:  # a damaged archive raises anything
        raise ValueError(f"is not a sound zip archive: {printable(str(error))}") from None
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in name.parts[:1]:
            raise ValueError(f"is an archive with a path that leads out of it: {printable(member.filename)}")
    size, unpacked = path.stat().st_size, sum(member.file_size for member in members)
    if unpacked > size + MOST_COMPRESSED:
        raise ValueError(f"is an archive of {size:,} bytes that unpacks to {unpacked:,}; torch writes none such")
    return tuple(member.filename for member in members)


def _bound(file: BinaryIO) -> None:
    """ValueError for a table of contents that would not fit into memory as Python's objects."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
    tail = file.read()
    sizes = [
        struct.unpack_from(form, tail, at + offset)[0]
        for mark, form, offset in ((b"PK\x05\x06", "<L", 12), (b"PK\x06\x06", "<Q", 40))
        if (at := tail.rfind(mark)) >= 0 and len(tail) >= at + offset + struct.calcsize(form)
    ]
    told = [size for size in sizes if size != 0xFFFFFFFF]  # which stands for: see the other record
    if max(told, default=0) > MOST_DIRECTORY:
        raise ValueError(f"its table of contents takes {max(told):,} bytes")
