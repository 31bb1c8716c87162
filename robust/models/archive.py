"""Zip archives from untrusted sources: the names in them are read and nothing is unpacked. Torch is not imported."""

import os
import struct
import zipfile
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from robust.attacks.text import brief, printable

SIGNATURE = b"PK\x03\x04"
MAX_DIRECTORY = 2**24  # bytes of an archive's table of contents: a hundred times that of a large model
MAX_COMPRESSED = 2**26  # bytes by which the unpacked members may exceed the file
ZIP64_MARK = 2**32 - 1  # the number that refers to the longer record
TAIL = 2**16 + 22 + 20 + 56  # bytes at the end that hold the table's size: the end records and the longest comment


def read_member_names(path: Path) -> tuple[str, ...]:
    """Return the names in an archive.

    ValueError if it is damaged, has a path that leads out of it, or unpacks to much more than its size: in torch's
    archives the tensors, which are large, are stored uncompressed; only code is compressed.
    """
    try:
        with path.open("rb") as file:
            start = _directory(file)
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                if archive.start_dir != start:  # torch would read another table than this code
                    raise ValueError("its table of contents is not where it says")
    except Exception as error:  # a damaged archive raises anything
        raise ValueError(f"is not a sound zip archive: {brief(str(error))}") from None
    if len({member.filename.casefold() for member in members}) < len(members):  # torch ignores the case
        raise ValueError("is an archive with two members of one name")
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in name.parts[:1]:
            raise ValueError(f"is an archive with a path that leads out of it: {printable(member.filename)}")
    size, unpacked = path.stat().st_size, sum(member.file_size for member in members)
    if unpacked > size + MAX_COMPRESSED:
        raise ValueError(f"is an archive of {size:,} bytes that unpacks to {unpacked:,}; torch writes none such")
    return tuple(member.filename for member in members)


def _directory(file: BinaryIO) -> int:
    """Return the start of the archive's table of contents, by its end record; ValueError if the table is too large."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
    tail = file.read()
    end, longer = tail.rfind(b"PK\x05\x06"), tail.rfind(b"PK\x06\x06")
    size, start = struct.unpack_from("<LL", tail, end + 12)
    if ZIP64_MARK in (size, start):
        size, start = struct.unpack_from("<QQ", tail, longer + 40)
    if size > MAX_DIRECTORY:
        raise ValueError(f"its table of contents takes {size:,} bytes")
    return int(start)
