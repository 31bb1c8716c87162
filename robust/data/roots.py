"""Folders that may hold downloaded data sets."""

import os
from pathlib import Path


def roots() -> list[Path]:
    """Return the folders that may hold data; downloads go to the first."""
    chosen = [Path(os.environ["ROBUST_DATA"])] if "ROBUST_DATA" in os.environ else []
    return [*chosen, Path.home() / ".cache" / "torchvision", Path("data"), Path.home() / "data"]
