"""A limit on the memory that reading a stranger's file may take. Torch is not imported here."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from robust.attacks.text import brief, first_line

GENEROUS = 2**32  # bytes: more than the libraries need that are imported meanwhile
TIMES = 8  # the size of a file that reading it may take


@contextmanager
def limit_memory(size: int) -> Iterator[None]:
    """Let the block take some multiple of a file's size, and a few gigabytes; ValueError if it wants more.

    Linux keeps the limit: an allocation beyond it fails, and nothing is killed. Other systems have none.
    """
    taken = _read_taken()
    if taken is None:
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    known = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([taken + GENEROUS + TIMES * size, *known]), hard))
    try:
        yield
    except MemoryError as error:
        raise ValueError(f"needs more memory than {size:,} bytes should: {brief(first_line(error))}") from None
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def measure_size(path: Path) -> int:
    """Return the bytes of a file, or of the files of a folder."""
    files = [entry for entry in os.scandir(path) if entry.is_file()] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def _read_taken() -> int | None:
    """Return the bytes of this process that the limit counts; None where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text("ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmData:")), None)
