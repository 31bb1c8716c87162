"""Some classes of a data set: "cifar10:only=3+5"."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from robust.attacks.spec import Spec, configure
from robust.data.dataset import Dataset, Split
from robust.data.lazy_inputs import Inputs, LazyInputs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Only:
    """Which classes, and what their labels are."""

    only: str | int  # "3+5"
    renumber: bool = True  # 0, 1 and so on in this order, for a model of so many classes; else as they were

    @property
    def classes(self) -> list[int]:
        return [int(word) for word in str(self.only).split("+")]

    def __post_init__(self) -> None:
        words = str(self.only).split("+")
        if not all(word.isdecimal() for word in words) or len({*map(int, words)}) < len(words):
            raise ValueError("only is for different classes by number, as only=0+1+3")
        if self.renumber and len(words) < 2:
            raise ValueError("of one class there is nothing to tell apart; add renumber=false")


def split_subset(text: str) -> tuple[str, Only | None]:
    """(the word without what is said of classes, that)."""
    if ":only=" not in text:
        return text, None
    spec = Spec.parse(text)
    mine = tuple(pair for pair in spec.options if pair[0] in ("only", "renumber"))
    return str(spec.without("only").without("renumber")), configure(Only, Spec(spec.name, options=mine))


def select_classes(dataset: Dataset, only: Only) -> Dataset:
    """The data set with these classes only; samples are numbered among themselves."""

    def read(split: Split) -> "tuple[Inputs, NDArray[np.int64]]":
        import numpy as np

        x, y = dataset.read(split)
        if missing := sorted({*only.classes} - {*np.unique(y).tolist()}):
            raise ValueError(f"{dataset.name} has no {split} samples of class {missing[0]}")
        rows = np.flatnonzero(np.isin(y, only.classes))
        shape = dataset.shape or x[rows[:1]].shape[1:]
        return LazyInputs(x, rows, shape), renumbered(y[rows]) if only.renumber else y[rows]

    def renumbered(y: "NDArray[np.int64]") -> "NDArray[np.int64]":
        import numpy as np

        order = np.argsort(only.classes)
        found: NDArray[np.int64] = order[np.searchsorted(np.array(only.classes)[order], y)]
        return found

    name = f"{dataset.name}:only={only.only}"
    if only.renumber:
        return replace(dataset, name=name, read=read, classes=len(only.classes))
    return replace(dataset, name=f"{name}:renumber=false", read=read, count=lambda: dataset.settled().classes)
