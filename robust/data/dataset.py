"""Data sets: their declarations and their samples.

Numpy is not imported at the top: collecting tests reads the declarations.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from robust.attacks.criteria.registry import DEFAULT, label_kind, read_criterion
from robust.attacks.grammar.corruption import list_corruptions
from robust.attacks.registry import Registry
from robust.data.bounds import Bounds, Clamped, OutsideError, advise_labels
from robust.data.lazy_inputs import Inputs, LazyInputs, is_array, iter_parts, load_rows
from robust.data.maps import advise_ignored
from robust.data.pictures import Pictures
from robust.data.remarks import Remarks
from robust.data.several import check_parts
from robust.sampling import draw_rows

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from robust.attacks.criteria.criterion import LabelKind
    from robust.attacks.layout import Layout
    from robust.data.items import LazyLabels

    Labels = NDArray[Any] | LazyLabels  # classes (n,); values or bits (n, k); maps (n, h, w)

Split = Literal["train", "test"]


Reader = Callable[[Split], "tuple[Inputs, Labels]"]

DATA: "Registry[Dataset | Kind]" = Registry("data set", ("robust.data.sets",), "robust.data")
R = TypeVar("R", bound=Reader)
KINDS = {"class": "classes", "values": "values", "bits": "labels that are on or off", "map": "maps of classes"}
SPLITS: dict[Split, tuple[str, ...]] = {"test": ("test", "val", "valid", "validation"), "train": ("train",)}


class NotHereError(LookupError):
    """The data is not on this machine; a data set with a `fetch` can be downloaded."""


class TooFewError(ValueError):
    """More samples were asked for than there are."""


@dataclass(frozen=True)
class Samples:
    """Some inputs of a split, their labels, their numbers in that split, and what is a right answer to them."""

    x: "NDArray[np.float32] | LazyInputs"  # (n, *shape), within the bounds; large inputs are read when indexed
    y: "NDArray[Any]"  # classes (n,) int64; values (n, k) float32; bits (n, k) int64; maps (n, h, w)
    index: "NDArray[np.int64]"  # (n,), ascending
    criterion: str = DEFAULT  # canonical: "within:50"
    layout: "Layout | None" = None  # of several inputs, which stand in one row of x
    # What all samples that these are taken from were before they became inputs: see `find_resized`.
    pictures: "Pictures | None" = field(default=None, compare=False)

    def __len__(self) -> int:
        return len(self.y)

    def find_resized(self, threat: str) -> "Pictures | None":
        """Return what they are before a Dataset's own resize, if one is seen and a threat corrupts them there."""
        if self.pictures is None or all(word.after for word in list_corruptions(threat).values()):
            return None
        return self.pictures if self.pictures.resize else None

    @property
    def map_size(self) -> tuple[int, ...]:
        """Return the (height, width) of labels that are maps; () of others."""
        return self.y.shape[1:] if self.y.ndim == 3 else ()

    @property
    def layout_text(self) -> str:
        """Return the layout as JSON; "" for a single input."""
        return self.layout.to_json() if self.layout else ""

    def take(self, rows: "NDArray[np.int64]") -> "Samples":
        """Return the samples in these rows, (m,)."""
        x = self.x.take(rows) if isinstance(self.x, LazyInputs) else self.x[rows]
        return Samples(x, self.y[rows], self.index[rows], self.criterion, self.layout, self.pictures)

    def draw(self, n: int, seed: int) -> "tuple[Samples, Samples]":
        """Return (n samples drawn without replacement, the others), each in ascending order."""
        import numpy as np

        rows = draw_rows(len(self), n, seed)
        return self.take(rows), self.take(np.setdiff1d(np.arange(len(self)), rows))

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of numbers, labels and inputs: two runs saw the same samples exactly if they agree."""
        y = self.y.astype("<f4" if self.y.dtype.kind == "f" else "<i8")
        parts = str(self.layout).encode() if self.layout else b""
        sha = hashlib.sha256(self.index.astype("<i8").tobytes() + y.tobytes() + parts)
        for x in iter_parts(self.x):
            sha.update(x.astype("<f4").tobytes())
        return sha.hexdigest()


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set, declared without reading it."""

    name: str
    threat: str | None  # the default threat model; None: the user must give one
    lo: float
    hi: float
    classes: int | None  # of values and bits, how many a sample; None if only the labels tell: see `complete`
    shape: tuple[int, ...] | None  # of one input; None as for `classes`
    read: Reader
    fetch: Callable[[], None] | None = None  # downloads the data
    levels: int = 256  # evenly spaced values from lo to hi, if the samples are quantised: 8 bits by default
    transforms: tuple[str, ...] = ()  # what is done to the stored inputs before they are used
    count: Callable[[], int | None] = lambda: None  # the number of classes, if the files name them
    open: bool = False  # whether only labels tell the number of classes, so that a model may have more
    features: tuple[str, ...] = ()  # the names of the columns of a table, if they are known
    missing: bool = False  # whether NaN stands for a missing value
    ranges: tuple[tuple[float, float], ...] = ()  # lowest and highest value of each feature of a table
    remarks: Remarks = field(default_factory=Remarks, compare=False)  # filled in while samples are read
    labels: "LabelKind" = "class"  # what the labels are
    criterion: str = DEFAULT  # what is a right answer
    names: tuple[str, ...] = ()  # of the classes, in their order; empty if they have numbers alone
    attacked: tuple[int, ...] = ()  # the classes whose samples are taken; empty: all
    layout: "Layout | None" = None  # of several inputs, which stand in one row; known once they are read
    moving: tuple[str, ...] | None = None  # the parts of several inputs that the threat models change; None: any
    # Reads the same as labels of another kind, or of the kind that they show; None: the kind is as declared.
    reread: "Callable[[LabelKind | None], Dataset] | None" = field(default=None, compare=False)

    def judged_by(self, criterion: str) -> "Dataset":
        """Return the data set with a criterion, and labels of the kind that it is for; ValueError if it has others."""
        kind = label_kind(criterion)
        if kind == self.labels:
            return replace(self, criterion=criterion)
        if self.reread is None:
            raise ValueError(f"{criterion} is for {KINDS[kind]}, and {self.name} has {KINDS[self.labels]}")
        return replace(
            self.reread(kind),
            name=self.name,
            lo=self.lo,
            hi=self.hi,
            missing=self.missing,
            ranges=self.ranges,
            layout=self.layout,
            moving=self.moving,
            criterion=criterion,
        )

    def complete(self, *, download: bool = False) -> "Dataset":
        """Return the data set with its classes and shape, read from the test split if they are not declared.

        With `download` the data is downloaded if it is not on this machine. NotHereError if it is needed and nowhere.
        The classes stay None where labels are read one by one: `count_classes` reads them all.
        """
        if download and self.fetch is not None and not self._is_here():
            self.fetch()
        if self.classes is not None and self.shape is not None:
            return self
        x, y = self.read("test")
        if (layout := getattr(x, "layout", None)) is not None and self.layout is None:
            return self.laid_out(layout).complete()
        if not len(y):
            raise ValueError(f"{self.name} has no test samples")
        import numpy as np

        shape, classes = self.shape or x[np.zeros(1, np.int64)].shape[1:], self.classes or self.count()
        completed = replace(self, shape=shape, classes=classes, open=self.open or classes is None)
        return completed if classes is not None or not isinstance(y, np.ndarray) else completed.widen(y)

    def laid_out(self, layout: "Layout") -> "Dataset":
        """Return the data set with several inputs, whose bounds are the widest of those that may move."""
        moving = [part for part in layout.parts if part.is_float and part.name in (self.moving or layout.names)]
        lo, hi = min((part.lo for part in moving), default=self.lo), max((part.hi for part in moving), default=self.hi)
        return replace(self, layout=layout, lo=lo, hi=hi, ranges=layout.ranges)

    @property
    def spans(self) -> "tuple[NDArray[np.float32], NDArray[np.float32]]":
        """Return the lowest and the highest values: of each feature of a table, (features,), else (1,) for all."""
        import numpy as np

        lo, hi = np.array(self.ranges or [(self.lo, self.hi)], np.float32).T
        return lo, hi

    @property
    def moves(self) -> "NDArray[np.bool_] | None":
        """Mark the numbers of a row of several inputs that an attacker can move, (features,); None for one input."""
        import numpy as np

        if self.layout is None:
            return None
        moving = [part.is_float and part.name in (self.moving or self.layout.names) for part in self.layout.parts]
        return np.repeat(moving, [part.size for part in self.layout.parts])

    def widen(self, y: "NDArray[np.int64]") -> "Dataset":
        """Return the data set with as many classes as the labels need, at least 2 and at least its own.

        Labels that show another kind make the data set one of that kind, with as many as a sample has.
        """
        if y.ndim == 3:
            top = int(self._find_counted(y).max(initial=0))
            return replace(self, classes=max(top + 1, 2, self.classes or 0), labels="map")
        if y.ndim == 2:
            kind: LabelKind = "values" if y.dtype.kind == "f" else "bits"
            return replace(self, classes=y.shape[1], labels=kind, open=False)
        return replace(self, classes=max(int(y.max()) + 1, 2, self.classes or 0))

    def _find_counted(self, y: "NDArray[np.int64]") -> "NDArray[np.int64]":
        """Return the labels of maps, (n, h, w), that count, (m,)."""
        if self.criterion == DEFAULT:
            return y[y >= 0]
        return y[read_criterion(self.criterion).mark_counted(y)]  # type: ignore[attr-defined]

    def count_classes(self) -> "Dataset":
        """Return the data set with its classes, for which all labels of the test split are read if need be."""
        import numpy as np

        return self if self.classes is not None else self.widen(np.asarray(self.read("test")[1]))

    def _is_here(self) -> bool:
        try:
            self.read("test")
        except NotHereError:
            return False
        return True

    def load(self, split: Split, n: int | None = None, seed: int = 0) -> Samples:
        """Return the samples of a split: all, or `n` drawn by `seed`, in which case only these are read.

        NotHereError, a LookupError, says where the data was searched for and how to get it. ValueError if the samples
        are not as declared; TooFewError if there are fewer than n.
        """
        x, y = self.read(split)
        if not len(y):
            raise ValueError(f"{self.name} has no {split} samples")
        if n is not None and n > len(y):
            raise TooFewError(f"{self.name} has {len(y)} {split} samples, {n} were asked for; 'all' is all of them")
        if len(x) != len(y):
            raise ValueError(f"{self.name} has {len(x)} inputs and {len(y)} labels")
        samples = self._take(x, y, draw_rows(len(y), n, seed), split)
        self._check(samples)
        return samples

    def read_rows(self, split: Split, rows: "NDArray[np.int64]") -> Samples:
        """Return the samples of a split in these rows, (m,), ascending. They are not checked."""
        return self._take(*self.read(split), rows, split)

    def _take(self, x: "Inputs", y: "Labels", rows: "NDArray[np.int64]", split: Split) -> Samples:
        trained = split == "train" and self.labels == "class"  # an attacker's goal is no goal of a training
        criterion = DEFAULT if trained else self.criterion
        if (layout := getattr(x, "layout", None)) != self.layout:
            raise ValueError(f"the {split} samples of {self.name} are {layout}, expected {self.layout}")
        bounds = Bounds(self.lo, self.hi)
        kept = load_rows(x if layout else Clamped(x, bounds, self.remarks), rows)
        pictures = None if layout or is_array(x) else Pictures(x, rows, kept, bounds, self.remarks)
        return Samples(kept, y[rows], rows, criterion, layout, pictures)

    def _check(self, samples: Samples) -> None:
        for x in iter_parts(samples.x):
            if self.layout is not None:
                check_parts(self.name, self.layout, x, self.moving)
                continue
            there = x[x == x] if self.missing else x  # not NaN
            if x.shape[1:] != self.shape or not ((there >= self.lo) & (there <= self.hi)).all():
                low, high = (there.min(), there.max()) if there.size else (self.lo, self.hi)
                actual = f"inputs of shape {list(x.shape[1:])} from {low:g} to {high:g}"
                expected = f"{list(self.shape or ())} from {self.lo:g} to {self.hi:g}"
                bounds = Bounds(self.lo, self.hi)
                raise OutsideError(f"{self.name} has {actual}, expected {expected}", bounds, (low, high))
        y = samples.y
        if y.ndim == 2:
            if self.classes not in (None, y.shape[1]):
                raise ValueError(f"{self.name} has labels of shape {[*y.shape]}, expected {self.classes} a sample")
            return
        if self.labels == "map":
            self._check_maps(y)
            return
        top = self.classes or max(int(y.max()) + 1, 2)
        if y.min() < 0 or y.max() >= top:
            seen = f"{self.name} has labels from {y.min()} to {y.max()}, expected 0 to {top - 1}"
            raise ValueError(f"{seen}{advise_labels(int(y.min()), int(y.max()), self.classes, top)}")

    def _check_maps(self, y: "NDArray[np.int64]") -> None:
        known = self._find_counted(y)
        if self.classes is not None and known.size and int(known.max()) >= self.classes:
            seen = f"{self.name} has pixels with labels from {known.min()} to {known.max()}, expected 0 to"
            hint = advise_ignored(int(known.min()), int(known.max()), self.classes)
            raise ValueError(f"{seen} {self.classes - 1}{hint}")


class Kind(Protocol):
    """A kind of data set, such as npz: it makes a data set from the user's spec, such as npz:FILE:classes=10."""

    def __call__(self, text: str, folder: "Path", /) -> Dataset:
        """Return the data set of a spec; relative paths are below `folder`. ValueError if the spec is wrong.

        Neither numpy nor torch is imported here.
        """
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
    labels: "LabelKind" = "class",
    names: tuple[str, ...] = (),
    layout: "Layout | None" = None,
) -> Callable[[R], R]:
    """Return a decorator for the function that reads a split of the data set `name`, as (inputs, labels)."""

    def declare(read: R) -> R:
        DATA.register(name)(
            Dataset(
                name,
                threat,
                *bounds,
                classes,
                shape,
                read,
                fetch,
                levels,
                labels=labels,
                names=names,
                layout=layout,
                ranges=layout.ranges if layout else (),
            )
        )
        return read

    return declare
