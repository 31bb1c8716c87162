"""Tables that scikit-learn holds: each feature is scaled to the range that it has in the data, and so is eps."""

from typing import TYPE_CHECKING, Any

from robust.data.dataset import NotHereError, Split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def read_table(name: str, split: Split, **options: Any) -> "tuple[NDArray[np.float32], NDArray[Any]]":
    """Return (features from 0 to 1, targets) of a split: every third row is for testing, the others for training."""
    import numpy as np

    try:
        from sklearn import datasets  # type: ignore[import-untyped]
    except ImportError as error:
        raise NotHereError("scikit-learn holds it, and is not installed: pip install pytest-robust[tables]") from error
    table = getattr(datasets, f"load_{name}")(**options)
    x = table.data.astype(np.float64)
    low, high = x.min(0), x.max(0)
    chosen = (np.arange(len(x)) % 3 == 2) == (split == "test")
    return ((x - low) / (high - low))[chosen].astype(np.float32), table.target[chosen]
