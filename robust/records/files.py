"""Files that are written whole or not at all, JSON cards, and folders that are locked by one process at a time."""

import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import psutil
from filelock import FileLock

from robust.attacks.files import open_regular, read_content, read_text
from robust.attacks.text import slug

HOST = slug(platform.node())  # a folder may be shared by machines, which know nothing of each other's processes
TEMPORARY = ".robust-*-*-*.tmp"  # HOST, the process that writes it, and what keeps two of its files apart
DAY = 86400.0  # seconds after which a temporary file is nobody's, whatever its process
_swept: set[Path] = set()  # the folders that this process has swept


def private(folder: Path) -> Path:
    """Make the folder if it is missing, with a file that keeps it out of version control; return it.

    A .gitignore that is there is left alone: the folder may be another than it seems.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not os.path.lexists(folder / ".gitignore"):
        write(folder / ".gitignore", b"# Made by pytest-robust.\n*\n")
    return folder


def refuse_links(root: Path, path: Path) -> Path:
    """Return `path`, which is below `root`; ValueError if it leads through a link, and so to somewhere else.

    `root` itself is the user's choice, and may be one.
    """
    for part in (path, *path.parents):
        if part == root:
            break
        if part.is_symlink():
            raise ValueError(f"{part} is a link, and what is written there would be elsewhere; remove it")
    return path


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the folder, made if it is missing, for one process at a time."""
    locks = private(refuse_links(folder, folder / ".locks"))
    with FileLock(refuse_links(folder, locks / "folder")):
        sweep(folder, "**/")
        yield


def sweep(folder: Path, below: str = "") -> None:
    """Remove, once a process, the temporary files of runs that were killed; with `below` "**/" in all its folders."""
    if folder / below in _swept:
        return
    _swept.add(folder / below)
    for file in folder.glob(below + TEMPORARY):
        host, process, _ = file.name.removeprefix(".robust-").rsplit("-", 2)
        with suppress(OSError):  # another process may remove it, too
            dead = host == HOST and process.isdecimal() and not psutil.pid_exists(int(process))
            if dead or time.time() - file.lstat().st_mtime > DAY:
                file.unlink()


def write(path: Path, content: bytes) -> None:
    """Write a whole file or nothing; a file with this content is left alone."""
    if not (path.exists() and read_content(path) == content):
        _write_all({path: content})


def begins(path: Path, beginning: str) -> bool:
    """Whether the file is there and begins so."""
    if not path.exists():
        return False
    with open_regular(path) as file:
        return file.read(len(beginning.encode())) == beginning.encode()


def write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write a whole .npz without pickles, or nothing; arrays that are on disk are not read into memory."""
    _beside(path, lambda file: np.savez(file, **arrays)).replace(path)


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object that a file holds, as a card does; {} if there is no file, or it holds something else."""
    try:
        content = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_all(contents: dict[Path, bytes], stale: Path | None = None) -> None:
    """Write files so that a full disk changes nothing: all are on disk before the first one is put in place.

    `stale` is removed before the first one is put in place.
    """
    waiting: dict[Path, Path] = {}
    try:
        for path, content in contents.items():
            waiting[path] = _beside(path, partial(_fill, content))
        if stale is not None:
            stale.unlink(missing_ok=True)
        for path, file in waiting.items():
            file.replace(path)
    finally:
        for file in waiting.values():
            file.unlink(missing_ok=True)


def _fill(content: bytes, file: IO[bytes]) -> None:
    file.write(content)


def _beside(path: Path, fill: Callable[[IO[bytes]], object]) -> Path:
    """Write a temporary file with `fill` in the folder of `path`; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    prefix = f".robust-{HOST}-{os.getpid()}-"
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=prefix, suffix=".tmp", delete=False) as file:
        try:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).chmod(0o644)  # only the owner may read a temporary file
        except BaseException:
            Path(file.name).unlink()
            raise
    return Path(file.name)
