"""Reading files that others wrote: only regular ones, and no more of them than is expected. No torch in this file.

To open a named pipe waits for a writer, and a device may never end; a link can lead to either.
"""

import os
import stat
from io import BufferedReader
from pathlib import Path

from robust.attacks.text import printable

TEXT = 2**27  # bytes of a file of JSON or TOML: hundreds of times the largest of ours
KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


class UnfitFileError(OSError, ValueError):
    """A file that is not read, since it is no regular one or is too large; the message is one line."""


def open_regular(path: Path, most: int | None = None) -> BufferedReader:
    """Open a regular file of at most `most` bytes to read it; UnfitFileError for anything else."""
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError:
        refuse_irregular(path)  # a socket cannot be opened
        raise
    try:
        _refuse(path, os.fstat(number), most)
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def refuse_irregular(path: Path) -> None:
    """Raise UnfitFileError if a path, which a library is to open by its name, leads to something else than a file."""
    _refuse(path, path.stat(), None)


def read_content(path: Path, most: int | None = None) -> bytes:
    """Return the content of a regular file of at most `most` bytes; UnfitFileError for anything else."""
    with open_regular(path, most) as file:
        content = file.read() if most is None else file.read(most + 1)
    if most is not None and len(content) > most:  # it has grown, or lies in /proc
        raise UnfitFileError(f"{printable(path.name)} has more than {most} bytes")
    return content


def read_text(path: Path, errors: str = "strict") -> str:
    """Return the text of a regular file; UnfitFileError as in `read_content`, UnicodeDecodeError if it is not UTF-8."""
    return read_content(path, TEXT).decode("utf-8", errors).replace("\r\n", "\n")


def _refuse(path: Path, found: os.stat_result, most: int | None) -> None:
    name = printable(path.name)
    if not stat.S_ISREG(found.st_mode):
        kind = KINDS.get(stat.S_IFMT(found.st_mode), "none")
        raise UnfitFileError(f"{name} is {kind}, expected a regular file")
    if most is not None and found.st_size > most:
        raise UnfitFileError(f"{name} has {found.st_size} bytes, expected {most} at most")
