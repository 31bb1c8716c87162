"""diabetes: 442 patients, ten measurements each, and a measure of the disease a year later, 25 to 346: values.

Efron, Hastie, Johnstone and Tibshirani 2004, "Least angle regression"; read from scikit-learn.
"""

from typing import TYPE_CHECKING, Any

from robust.data.dataset import Split, dataset
from robust.data.sets._sklearn import read_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataset("diabetes", threat="linf:0.05", classes=1, shape=(10,), labels="values")
def read(split: Split) -> "tuple[NDArray[np.float32], NDArray[Any]]":
    """Read a split: every third patient is for testing (147), the others for training (295)."""
    x, y = read_table("diabetes", split, scaled=False)
    return x, y.astype("float32")[:, None]
