"""fashion-mnist: 70,000 grey images of clothes, 28x28 pixels (Xiao, Rasul and Vollgraf 2017, 1708.07747).

It is read from the Debian package dataset-fashion-mnist, or from the folder of torchvision. Both hold the four original
IDX files, Debian's compressed again, so the content is checked and not the archives.
"""

import gzip
import hashlib
import zlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from robust.data import torchvision_sets
from robust.data.dataset import NotHereError, Split, dataset
from robust.data.roots import roots

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONTENT = {  # SHA-256 of the uncompressed files
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
}
CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot")
HEADER = {"images": 16, "labels": 8}  # bytes before the pixels or labels of an IDX file


@dataset(
    "fashion-mnist",
    threat="linf:0.1",
    classes=10,
    shape=(1, 28, 28),
    fetch=partial(torchvision_sets.fetch, "FashionMNIST"),
    names=CLASSES,
)
def read(split: Split) -> "tuple[NDArray[np.float32], NDArray[np.int64]]":
    """Read a split: 60,000 images for training, 10,000 for testing."""
    import numpy as np

    part = "train" if split == "train" else "t10k"
    pixels, labels = (np.frombuffer(_content(part, kind), np.uint8, offset=HEADER[kind]) for kind in HEADER)
    return pixels.reshape(-1, 1, 28, 28).astype(np.float32) / np.float32(255), labels.astype(np.int64)


def _content(part: str, kind: str) -> bytes:
    name = f"{part}-{kind}-idx{3 if kind == 'images' else 1}-ubyte"
    for folder in (folders := _folders()):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return _read_checked(path, CONTENT[name])
    raise NotHereError(
        f"fashion-mnist is not on this machine (looked in {', '.join(map(str, folders))}). Install Debian's package "
        "dataset-fashion-mnist, or allow the download with --robust-download"
    )


def _read_checked(path: Path, digest: str) -> bytes:
    """Return the uncompressed content of a file; LookupError if its SHA-256 is not `digest`."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, OSError, zlib.error):
        content = b""
    if hashlib.sha256(content).hexdigest() != digest:
        raise LookupError(f"{path} is not the published file of Fashion-MNIST; remove it or mend it")
    return content


def _folders() -> list[Path]:
    """Return Debian's folder, and torchvision's folder below each of the roots."""
    return [Path("/usr/share/datasets/fashion-mnist"), *(root / "FashionMNIST" / "raw" for root in roots())]
