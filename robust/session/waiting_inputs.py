"""The adversarial inputs of a test, in a file that waits until the process that files rows has made the record."""

import contextlib
import hashlib
import os
import shutil
import uuid
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from numpy.typing import NDArray

from robust.data.numpy_files import read_arrays
from robust.records.files import HOST, private, refuse_links, write_arrays


def write_inputs(home: Path, name: str, x_adv: NDArray[Any], images: dict[str, NDArray[Any]]) -> Path:
    """Write the inputs and the arrays of their images; return the file. `name` is the same for the same result."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    path = _own_folder(home) / f"{digest}.npz"
    write_arrays(path, {"x_adv": x_adv, **images})
    return path


def read_inputs(path: str) -> NDArray[Any]:
    """Return the inputs, (adversarial, *shape); large ones are read where they are indexed."""
    (x_adv,) = read_arrays(Path(path), ["x_adv"])
    return x_adv


def read_images(path: str, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return the arrays of the images, by name."""
    return dict(zip(names, read_arrays(Path(path), names), strict=True))


def remove_inputs(path: str) -> None:
    """Remove the file, and its folder if nothing else waits there."""
    file = Path(path)
    file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        file.parent.rmdir()


def _own_folder(home: Path) -> Path:
    """Return the folder of this process. The first time, remove the folders of runs that were killed here."""
    parent = refuse_links(home, private(home) / "parts")
    own = parent / _name_folder(os.getpid())
    if not own.exists():
        for folder in parent.glob("*-*-*"):
            host, pid, _ = folder.name.rsplit("-", 2)
            if host == HOST and pid.isdecimal() and not psutil.pid_exists(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)
    return own


@cache
def _name_folder(process: int) -> str:
    """Name the folder of a process; a fork of one that has named its own gets another."""
    owner = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else process  # who files the row, also of a dead worker
    return f"{HOST}-{owner}-{uuid.uuid4().hex[:8]}"
