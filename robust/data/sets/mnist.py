"""mnist: 70,000 handwritten digits, 28x28 grey pixels (LeCun, Cortes and Burges 1998).

The threat model is the radius of Madry et al. 2018 (1706.06083).
"""

from functools import partial
from typing import TYPE_CHECKING

from robust.data import torchvision_sets
from robust.data.dataset import Split, dataset

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataset("mnist", threat="linf:0.3", classes=10, shape=(1, 28, 28), fetch=partial(torchvision_sets.fetch, "MNIST"))
def read(split: Split) -> "tuple[NDArray[np.float32], NDArray[np.int64]]":
    """Read a split: 60,000 scans for training, 10,000 for testing."""
    return torchvision_sets.read("MNIST", split)
