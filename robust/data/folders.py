"""Where data sets are: torchvision's folders below the roots that people use, and the folders of splits."""

import os
from pathlib import Path

from robust.data.dataset import Split

SPLITS: dict[Split, tuple[str, ...]] = {"test": ("test", "val", "valid", "validation"), "train": ("train",)}


def roots() -> list[Path]:
    """The folders to look in, the first of them the one to download to."""
    given = [Path(os.environ["ROBUST_DATA"])] if "ROBUST_DATA" in os.environ else []
    return [*given, Path.home() / ".cache" / "torchvision", Path("data"), Path.home() / "data"]
