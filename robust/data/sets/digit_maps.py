"""digit-maps: the scans of `digits` pasted on canvases of 24x24; the label of a pixel is 1 + its digit, and 0 beside.

What is not ink but is no background either, the faint edge of a digit, is -1: it does not count.
"""

from typing import TYPE_CHECKING

from robust.data.dataset import Split, dataset
from robust.data.sets.digits import read as read_digits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIZES: dict[Split, int] = {"train": 1000, "test": 300}
CELLS, SIDE = 3, 8  # across and down; pixels of a scan
FILLED = 2 / 3  # of the cells
FAINT, INK = 0.1, 0.4  # shares of the darkest ink: below the first it is background, from the second on a digit


@dataset("digit-maps", threat="linf:0.1", classes=11, shape=(1, 24, 24), levels=17, labels="map")
def read(split: Split) -> "tuple[NDArray[np.float32], NDArray[np.int64]]":
    """Read a split: 300 canvases for testing and 1,000 for training, of the scans of that split of `digits`."""
    import numpy as np

    scans, digits = read_digits(split)
    rng, n = np.random.RandomState(split == "train"), SIZES[split]
    x = np.zeros((n, 1, CELLS, SIDE, CELLS, SIDE), np.float32)
    y = np.zeros((n, CELLS, SIDE, CELLS, SIDE), np.int64)
    filled, drawn = rng.rand(n, CELLS, CELLS) < FILLED, rng.randint(len(scans), size=(n, CELLS, CELLS))
    for k, row, column in np.argwhere(filled):
        scan, digit = scans[drawn[k, row, column], 0], digits[drawn[k, row, column]]
        x[k, 0, row, :, column] = scan
        y[k, row, :, column] = np.where(scan >= INK, 1 + digit, np.where(scan > FAINT, -1, 0))
    side = CELLS * SIDE
    return x.reshape(n, 1, side, side), y.reshape(n, side, side)
