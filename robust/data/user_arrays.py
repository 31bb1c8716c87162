"""Users' arrays as data sets, for npz:FILE, npy:DIR and FILE.py:FUNCTION."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from robust.attacks.spec import Spec, configure
from robust.attacks.text import printable
from robust.data.dataset import Dataset, Split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class UserArrays:
    """Options that only the user can give: "npz:FILE:lo=-1:classes=100"."""

    lo: float = 0.0
    hi: float = 1.0
    classes: int | None = None  # by default one more than the largest label of the test split

    def __post_init__(self) -> None:
        if not self.lo < self.hi:
            raise ValueError(f"lo must be below hi, got {self.lo:g} and {self.hi:g}")
        if self.classes is not None and self.classes < 2:
            raise ValueError(f"classes must be at least 2, got {self.classes}")


def user_dataset(name: str, spec: Spec, read: Callable[[Split], tuple[Any, Any]]) -> Dataset:
    """Return a data set of the arrays that `read` returns for a split, (n, *shape) and (n,); it is called once a split.

    Inputs of type uint8 are pixels, and are divided by 255. `spec` holds the options of `UserArrays`.
    """
    options = configure(UserArrays, Spec(spec.name, options=spec.options))

    @functools.cache
    def convert(split: Split) -> "tuple[Floats, NDArray[np.int64]]":
        x, y = read(split)
        return Floats(x), to_labels(y)

    return Dataset(printable(name), None, options.lo, options.hi, options.classes, None, convert)


class Floats:
    """Inputs that become float32 only when they are read."""

    def __init__(self, x: Any) -> None:
        """Wrap a numpy array, a tensor or a list; ValueError if it is no array of numbers."""
        self._x = _array(x, "inputs")
        if self._x.ndim < 2 or (self._x.dtype != "uint8" and self._x.dtype.kind != "f"):
            raise ValueError(
                f"the inputs are {self._x.dtype} of shape {list(self._x.shape)}, expected (n, *features) of floats, "
                "or of pixels as uint8"
            )

    def __len__(self) -> int:
        return len(self._x)

    def __getitem__(self, rows: "NDArray[np.int64]") -> "NDArray[np.float32]":
        import numpy as np

        inputs = self._x[rows]
        return inputs.astype(np.float32) / np.float32(255 if inputs.dtype == np.uint8 else 1)


def to_labels(y: Any) -> "NDArray[np.int64]":
    """Return labels as int64, (n,); ValueError if they are no whole numbers."""
    import numpy as np

    labels = _array(y, "labels")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]  # Keras stores them so
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(f"the labels are {labels.dtype} of shape {list(labels.shape)}, expected (n,) of whole numbers")
    return labels.astype(np.int64)


def _array(values: Any, what: str) -> "NDArray[Any]":
    import numpy as np

    try:
        return np.asarray(values)
    except Exception as error:  # a user's object may raise anything
        raise ValueError(f"the {what} are {type(values).__name__}, expected an array") from error
