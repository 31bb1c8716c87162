"""Room on the disk for what the memory is too small for."""

import tempfile
import weakref
from typing import IO


def scratch(owner: object) -> IO[bytes]:
    """A temporary file that has no name and is gone when `owner` is; $TMPDIR says where."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 -- closed with its owner
    weakref.finalize(owner, file.close)
    return file
