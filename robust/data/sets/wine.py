"""wine: 178 wines of three growers, thirteen measurements each, two of them whole numbers.

"Wine" (Aeberhard and Forina 1991), UCI Machine Learning Repository, CC BY 4.0; read from scikit-learn.
"""

from typing import TYPE_CHECKING, Any

from robust.data.dataset import Split, dataset
from robust.data.sets._sklearn import read_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataset("wine", threat="linf:0.05", classes=3, shape=(13,))
def read(split: Split) -> "tuple[NDArray[np.float32], NDArray[Any]]":
    """Read a split: every third wine is for testing (59), the others for training (119)."""
    x, y = read_table("wine", split)
    return x, y.astype("int64")
