"""breast-cancer: 569 tumours, thirty measurements of their cells each; malignant is 0, benign is 1.

"Breast Cancer Wisconsin (Diagnostic)" (Wolberg, Street and Mangasarian 1995), UCI Machine Learning Repository,
CC BY 4.0; read from scikit-learn.
"""

from typing import TYPE_CHECKING, Any

from robust.data.dataset import Split, dataset
from robust.data.sets._sklearn import read_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataset("breast-cancer", threat="linf:0.05", classes=2, shape=(30,), names=("malignant", "benign"))
def read(split: Split) -> "tuple[NDArray[np.float32], NDArray[Any]]":
    """Read a split: every third tumour is for testing (189), the others for training (380)."""
    x, y = read_table("breast_cancer", split)
    return x, y.astype("int64")
