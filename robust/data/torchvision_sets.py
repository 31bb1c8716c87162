"""Data sets of torchvision, read through it, and downloaded by it if the user permits that."""

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from robust.data.dataset import NotHereError, Split
from robust.data.roots import roots

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def read(name: str, split: Split) -> "tuple[NDArray[np.float32], NDArray[np.int64]]":
    """Read a split of torchvision's class `name`, as ((n, channels, height, width) in [0, 1], (n,) labels).

    NotHereError if it is not on this machine.
    """
    import numpy as np

    for root in roots():
        with contextlib.suppress(RuntimeError):  # "Dataset not found or corrupted"
            split_set = _import_class(name)(root, train=split == "train")
            pixels = np.asarray(split_set.data)
            pixels = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
            return pixels.astype(np.float32) / np.float32(255), np.asarray(split_set.targets, np.int64)
    raise NotHereError(
        f"{name} is not on this machine (looked in {', '.join(map(str, roots()))}). Allow the download with "
        "--robust-download, or set ROBUST_DATA to the folder that torchvision.datasets put it in"
    )


def fetch(name: str) -> None:
    """Download torchvision's data set `name` to the first of the roots; NotHereError, in one line, if that fails."""
    try:
        with contextlib.redirect_stdout(sys.stderr):  # torchvision prints
            for train in (True, False):
                _import_class(name)(roots()[0], train=train, download=True)
    except Exception as error:  # whatever the network, the disk or a checksum raises
        raise NotHereError(f"{name} could not be downloaded to {roots()[0]}: {error}") from error


def _import_class(name: str) -> Any:
    from robust.torchvision_compat import import_torchvision

    return getattr(import_torchvision("torchvision.datasets"), name)
