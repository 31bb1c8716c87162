"""Files written whole or not at all, and a folder for one process at a time."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock


def private(folder: Path) -> Path:
    """The folder, made where it is missing and kept out of version control by a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / ".gitignore", b"# Made by pytest-robust.\n*\n")
    return folder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The folder, made where it is missing, for one process at a time."""
    with FileLock(private(folder / ".locks") / "folder"):
        yield


def write(path: Path, content: bytes) -> None:
    """Write a whole file or nothing; an equal one is left alone."""
    if not (path.exists() and path.read_bytes() == content):
        _write_all({path: content})


def write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """A whole .npz without pickles, or nothing; arrays that lie on a disk are not brought into memory for it."""
    _beside(path, lambda file: np.savez(file, **arrays)).replace(path)


def _write_all(contents: dict[Path, bytes], stale: Path | None = None) -> None:
    """Write files, all of which are on the disk before anything is changed: a full disk changes nothing.

    `stale` is removed then, before the first of them takes its place.
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
    """A file that `fill` has written, in the folder of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).chmod(0o644)  # a temporary file is its owner's alone
        except BaseException:
            Path(file.name).unlink()
            raise
    return Path(file.name)
