"""cifar10: 60,000 colour images of ten classes, 32x32 pixels (Krizhevsky 2009).

The threat model is the radius of Madry et al. 2018 (1706.06083).
"""

from functools import partial
from typing import TYPE_CHECKING

from robust.data import torchvision_sets
from robust.data.dataset import Split, dataset

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataset(
    "cifar10",
    threat="linf:8/255",
    classes=10,
    shape=(3, 32, 32),
    fetch=partial(torchvision_sets.fetch, "CIFAR10"),
    names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
)
def read(split: Split) -> "tuple[NDArray[np.float32], NDArray[np.int64]]":
    """Read a split: 50,000 images for training, 10,000 for testing."""
    return torchvision_sets.read("CIFAR10", split)
