"""What a data set declares and what it yields. No numpy at import: collecting tests reads the declarations."""

import hashlib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from robust.attacks.registry import Registry
from robust.data.lazy_inputs import Inputs, LazyInputs, iter_parts, load_rows
from robust.sampling import draw_rows

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

Split = Literal["train", "test"]


Reader = Callable[[Split], "tuple[Inputs, NDArray[np.int64]]"]

DATA: "Registry[Dataset | Kind]" = Registry("data set", ("robust.data.sets",), "robust.data")
R = TypeVar("R", bound=Reader)
SPLITS: dict[Split, tuple[str, ...]] = {"test": ("test", "val", "valid", "validation"), "train": ("train",)}


class NotHereError(LookupError):
    """The data is not on this machine. A data set that has a `fetch` could be downloaded."""


class TooFewError(ValueError):
    """More samples were asked for than there are."""


@dataclass(frozen=True)
class Samples:
    """Some inputs of a split, their labels, and their numbers in that split."""

    x: "NDArray[np.float32] | LazyInputs"  # (n, *shape), within the bounds; large ones are read where indexed
    y: "NDArray[np.int64]"  # (n,)
    index: "NDArray[np.int64]"  # (n,), ascending

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: "NDArray[np.int64]") -> "Samples":
        x = self.x.only(rows) if isinstance(self.x, LazyInputs) else self.x[rows]
        return Samples(x, self.y[rows], self.index[rows])

    def draw(self, n: int, seed: int) -> "tuple[Samples, Samples]":
        """(n samples, the others): drawn without replacement, each in ascending order."""
        import numpy as np

        rows = draw_rows(len(self), n, seed)
        return self.take(rows), self.take(np.setdiff1d(np.arange(len(self)), rows))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the numbers, the labels and the inputs: two runs saw the same samples exactly if these agree."""
        sha = hashlib.sha256(self.index.astype("<i8").tobytes() + self.y.astype("<i8").tobytes())
        for x in iter_parts(self.x):
            sha.update(x.astype("<f4").tobytes())
        return sha.hexdigest()


@dataclass(frozen=True, slots=True)
class Dataset:
    """What is known of a data set before it is read."""

    name: str
    threat: str | None  # the threat model that is meant where none is given; None: the user must say
    lo: float
    hi: float
    classes: int | None  # None where only the labels tell: see `settled`
    shape: tuple[int, ...] | None  # likewise
    read: Reader
    fetch: Callable[[], None] | None = None  # downloads it
    levels: int = 256  # that a value may have, evenly from lo to hi, where the samples keep to levels at all: 8 bits
    transforms: tuple[str, ...] = ()  # what is done to the stored inputs before a model sees them
    count: Callable[[], int | None] = lambda: None  # the classes, where the files name them

    def settled(self, *, download: bool = False) -> "Dataset":
        """Return the data set with classes and shape filled in from the test split, if only that tells them.

        `download` allows to fetch it if it is not on this machine. NotHereError if it is nowhere, and is needed here.
        """
        if download and self.fetch is not None and not self._is_here():
            self.fetch()
        if self.classes is not None and self.shape is not None:
            return self
        x, y = self.read("test")
        if not len(y):
            raise ValueError(f"{self.name} has no test samples")
        import numpy as np

        return replace(
            self,
            classes=self.classes or self.count() or max(int(y.max()) + 1, 2),
            shape=self.shape or x[np.zeros(1, np.int64)].shape[1:],
        )

    def _is_here(self) -> bool:
        try:
            self.read("test")
        except NotHereError:
            return False
        return True

    def load(self, split: Split, n: int | None = None, seed: int = 0) -> Samples:
        """The samples of a split: all, or `n` drawn by `seed`, of which only these are read.

        LookupError says where the data was looked for and how to get it. ValueError where they are not what the data
        set declares; TooFewError where they are fewer than n.
        """
        x, y = self.read(split)
        if not len(y):
            raise ValueError(f"{self.name} has no {split} samples")
        if n is not None and n > len(y):
            raise TooFewError(f"{self.name} has {len(y)} {split} samples, {n} were asked for; 'all' is all of them")
        if len(x) != len(y):
            raise ValueError(f"{self.name} has {len(x)} inputs and {len(y)} labels")
        rows = draw_rows(len(y), n, seed)
        samples = Samples(load_rows(x, rows), y[rows], rows)
        self._check(samples)
        return samples

    def _check(self, samples: Samples) -> None:
        for x in iter_parts(samples.x):
            if x.shape[1:] != self.shape or not ((x >= self.lo) & (x <= self.hi)).all():
                told = f"inputs of shape {list(x.shape[1:])} from {x.min():g} to {x.max():g}"
                wanted = f"{list(self.shape or ())} from {self.lo:g} to {self.hi:g}"
                raise ValueError(
                    f"{self.name} has {told}, expected {wanted}{self._way(float(x.min()), float(x.max()))}"
                )
        y = samples.y
        if y.min() < 0 or y.max() >= (self.classes or 0):
            raise ValueError(
                f"{self.name} has labels from {y.min()} to {y.max()}, expected 0 to {(self.classes or 0) - 1}"
            )

    def _way(self, least: float, most: float) -> str:
        """What to do about inputs that reach from `least` to `most`; nothing where these are within the bounds."""
        if (self.lo <= least and most <= self.hi) or not (math.isfinite(least) and math.isfinite(most)):
            return ""
        lo, hi = min(math.floor(least), self.lo), max(math.ceil(most), self.hi)
        divide = f"divide by {hi:g} where they are read, or " if (lo, self.lo, self.hi) == (0, 0, 1) else ""
        undo = "give the model's normalisation as --robust-normalize, or " if lo < 0 else ""
        return f"; {divide}{undo}declare their bounds, as :lo={lo:g}:hi={hi:g}"


class Kind(Protocol):
    """Makes a data set from what the user wrote after the kind's name: of npz:FILE:classes=10 the rest."""

    def __call__(self, text: str, folder: "Path", /) -> Dataset:
        """ValueError for what is wrong with the text; relative paths are below `folder`. Nothing heavy is imported."""
        ...


def dataset(
    name: str,
    *,
    threat: str,
    bounds: tuple[float, float] = (0.0, 1.0),
    classes: int,
    shape: tuple[int, ...],
    fetch: Callable[[], None] | None = None,
    levels: int = 256,
) -> Callable[[R], R]:
    """A decorator: the function under it reads a split of the data set `name`, as (inputs, labels)."""

    def declare(read: R) -> R:
        DATA.register(name)(Dataset(name, threat, *bounds, classes, shape, read, fetch, levels))
        return read

    return declare


def roots() -> list[Path]:
    """The folders to look in, the first of them the one to download to."""
    given = [Path(os.environ["ROBUST_DATA"])] if "ROBUST_DATA" in os.environ else []
    return [*given, Path.home() / ".cache" / "torchvision", Path("data"), Path.home() / "data"]
