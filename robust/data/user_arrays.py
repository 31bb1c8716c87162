"""Users' own arrays as data sets: what npz:FILE and FILE.py:FUNCTION have in common."""

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
    """What only the user can tell: "npz:FILE:lo=-1:classes=100"."""

    lo: float = 0.0
    hi: float = 1.0
    classes: int | None = None  # by default one more than the largest label of the test split

    def __post_init__(self) -> None:
        if not self.lo < self.hi:
            raise ValueError(f"lo must be below hi, got {self.lo:g} and {self.hi:g}")
        if self.classes is not None and self.classes < 2:
            raise ValueError(f"classes must be at least 2, got {self.classes}")


def user_dataset(name: str, spec: Spec, read: Callable[[Split], tuple[Any, Any]]) -> Dataset:
    """A data set of the arrays that `read` returns for a split, (n, *shape) and (n,); it is called once a split.

    Inputs of type uint8 are pixels, and are divided by 255. `spec` holds the options of `UserArrays`.
    """
    own = configure(UserArrays, Spec(spec.name, options=spec.options))

    @functools.cache
    def converted(split: Split) -> "tuple[Floats, NDArray[np.int64]]":
        x, y = read(split)
        return Floats(x), to_labels(y)

    return Dataset(printable(name), None, own.lo, own.hi, own.classes, None, converted)


class Floats:
    """Inputs that become float32 only where they are read."""

    def __init__(self, x: Any) -> None:
        """ValueError where `x` is no array of numbers: a numpy array, a tensor, a list."""
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

        taken = self._x[rows]
        return taken.astype(np.float32) / np.float32(255 if taken.dtype == np.uint8 else 1)


def to_labels(y: Any) -> "NDArray[np.int64]":
    """Labels as int64, (n,); ValueError where they are no whole numbers."""
    import numpy as np

    found = _array(y, "labels")
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]  # as Keras stores them
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise ValueError(f"the labels are {found.dtype} of shape {list(found.shape)}, expected (n,) of whole numbers")
    return found.astype(np.int64)


def _array(values: Any, what: str) -> "NDArray[Any]":
    import numpy as np

    try:
        return np.asarray(values)
    except Exception as error:  # whatever a user's object raises
        raise ValueError(f"the {what} are {type(values).__name__}, expected an array") from error
