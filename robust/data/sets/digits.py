"""digits: 1,797 handwritten digits of 43 people, 8x8 pixels in 17 grey levels, included in this package.

The test part of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998), UCI Machine Learning
Repository, CC BY 4.0; the same numbers as scikit-learn's `load_digits`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from robust.data.dataset import Split, dataset

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = Path(__file__).with_name("digits.npz")


@dataset("digits", threat="linf:0.15", classes=10, shape=(1, 8, 8), levels=17)
def read(split: Split) -> "tuple[NDArray[np.float32], NDArray[np.int64]]":
    """Read a split: every third scan is for testing (599), the others for training (1,198)."""
    import numpy as np

    with np.load(FILE, allow_pickle=False) as file:
        x, y = file["x"], file["y"]
    chosen = (np.arange(len(y)) % 3 == 2) == (split == "test")
    return x[chosen, None].astype(np.float32) / np.float32(16), y[chosen].astype(np.int64)
