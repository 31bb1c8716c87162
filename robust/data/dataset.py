"""What a data set declares and what it yields. No numpy at import: collecting tests reads the declarations."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from robust.attacks.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Split = Literal["train", "test"]
Reader = Callable[[Split], "tuple[NDArray[np.float32], NDArray[np.int64]]"]


@dataclass(frozen=True, slots=True)
class Samples:
    """Some inputs of a split, their labels, and their numbers in that split."""

    x: "NDArray[np.float32]"  # (n, *shape), within the data set's bounds
    y: "NDArray[np.int64]"  # (n,)
    index: "NDArray[np.int64]"  # (n,), ascending

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: "NDArray[np.int64]") -> "Samples":
        return Samples(self.x[rows], self.y[rows], self.index[rows])

    def draw(self, n: int, seed: int) -> "tuple[Samples, Samples]":
        """(n samples, the others): drawn without replacement, each in ascending order."""
        import numpy as np

        order = np.random.RandomState(seed % 2**32).permutation(len(self))
        return self.take(np.sort(order[:n])), self.take(np.sort(order[n:]))

    @property
    def digest(self) -> str:
        """SHA-256 of the numbers, the labels and the inputs: two runs saw the same samples exactly if these agree."""

        sha = hashlib.sha256()
        for array, dtype in ((self.index, "<i8"), (self.y, "<i8"), (self.x, "<f4")):
            sha.update(array.astype(dtype).tobytes())
        return sha.hexdigest()


@dataclass(frozen=True, slots=True)
class Dataset:
    """What is known of a data set before it is read."""

    name: str
    threat: str  # the threat model that is meant where none is given
    lo: float
    hi: float
    classes: int
    shape: tuple[int, ...]
    read: Reader

    def load(self, split: Split) -> Samples:
        """All samples of a split. LookupError says where the data was looked for and how to get it.

        ValueError where they are not what the data set declares.
        """
        import numpy as np

        x, y = self.read(split)
        if x.shape != (len(y), *self.shape) or not ((x >= self.lo) & (x <= self.hi)).all():
            told = f"inputs of shape {list(x.shape[1:])} from {x.min():g} to {x.max():g}"
            wanted = f"{list(self.shape)} from {self.lo:g} to {self.hi:g}"
            raise ValueError(f"{self.name} has {told}, it declares {wanted}")
        return Samples(x, y, np.arange(len(y), dtype=np.int64))


DATA: Registry[Dataset] = Registry("data set", ("robust.data.sets",), "robust.data")

R = TypeVar("R", bound=Reader)


def dataset(
    name: str, *, threat: str, bounds: tuple[float, float] = (0.0, 1.0), classes: int, shape: tuple[int, ...]
) -> Callable[[R], R]:
    """A decorator: the function under it reads a split of the data set `name`, as (inputs, labels)."""

    def declare(read: R) -> R:
        DATA.register(name)(Dataset(name, threat, *bounds, classes, shape, read))
        return read

    return declare
