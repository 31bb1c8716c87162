"""Data sets restricted to some classes: "cifar10:only=3+5", and in testing alone "cifar10:attacked=3+5"."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from robust.attacks.registry import suggest
from robust.attacks.spec import Spec, configure
from robust.data.dataset import Dataset, Split
from robust.data.lazy_inputs import Inputs, LazyInputs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from robust.data.dataset import Labels


@dataclass(frozen=True, slots=True)
class Only:
    """The classes to keep, and whether they are renumbered."""

    only: str | int  # "3+5"
    renumber: bool = True  # to 0, 1 and so on in this order, for a model of so many classes

    @property
    def classes(self) -> list[int]:
        return [int(number) for number in str(self.only).split("+")]

    def __post_init__(self) -> None:
        numbers = str(self.only).split("+")
        if not all(number.isdecimal() for number in numbers) or len({*map(int, numbers)}) < len(numbers):
            raise ValueError("only is for different classes by number, as only=0+1+3")
        if self.renumber and len(numbers) < 2:
            raise ValueError("of one class there is nothing to tell apart; add renumber=false")


def split_subset(text: str) -> tuple[str, Only | None]:
    """Return (the spec without the options on classes, these options); None if it has none."""
    if ":only=" not in text:
        return text, None
    spec = Spec.parse(text)
    options = tuple(pair for pair in spec.options if pair[0] in ("only", "renumber"))
    return str(spec.without("only").without("renumber")), configure(Only, Spec(spec.name, options=options))


def select_classes(dataset: Dataset, only: Only) -> Dataset:
    """Return the data set with these classes only; its samples are numbered from 0."""

    def read(split: Split) -> "tuple[Inputs, NDArray[np.int64]]":
        import numpy as np

        x, y = dataset.read(split)
        if np.ndim(y) > 1:
            raise ValueError(f"only= is for samples of one class each, and {dataset.name} has others; leave it out")
        if missing := sorted({*only.classes} - {*np.unique(y).tolist()}):
            raise ValueError(f"{dataset.name} has no {split} samples of class {missing[0]}")
        rows = np.flatnonzero(np.isin(y, only.classes))
        shape = dataset.shape or x[rows[:1]].shape[1:]
        return LazyInputs(x, rows, shape), renumber(y[rows]) if only.renumber else y[rows]

    def renumber(y: "NDArray[np.int64]") -> "NDArray[np.int64]":
        import numpy as np

        order = np.argsort(only.classes)
        labels: NDArray[np.int64] = order[np.searchsorted(np.array(only.classes)[order], y)]
        return labels

    name = f"{dataset.name}:only={only.only}"
    if only.renumber:
        names = tuple(dataset.names[number] for number in only.classes) if dataset.names else ()
        return replace(dataset, name=name, read=read, reread=None, classes=len(only.classes), names=names)
    return replace(
        dataset, name=f"{name}:renumber=false", read=read, reread=None, count=lambda: dataset.complete().classes
    )


def split_attacked(text: str) -> tuple[str, str | None]:
    """Return (the spec without the option `attacked`, the classes that are attacked, or None for all)."""
    if ":attacked=" not in text:
        return text, None
    spec = Spec.parse(text)
    return str(spec.without("attacked")), str(dict(spec.options)["attacked"])


def read_classes(dataset: Dataset, words: str) -> tuple[int, ...]:
    """Read classes, by name or by number, as "0+2" or "malignant"; raise ValueError for one that there is not."""
    numbers = []
    for word in words.split("+"):
        if not word.isdecimal() and word not in dataset.names:
            named = suggest(word, dataset.names) if dataset.names else f"{word!r}: {dataset.name} has numbers alone"
            raise ValueError(f"unknown class {named}")
        numbers.append(int(word) if word.isdecimal() else dataset.names.index(word))
    if (
        dataset.classes is not None
        and dataset.labels == "class"
        and (big := [n for n in numbers if n >= dataset.classes])
    ):
        raise ValueError(f"{dataset.name} has the classes 0 to {dataset.classes - 1}, got {big[0]}")
    return tuple(sorted({*numbers}))


def attack_only(dataset: Dataset, classes: tuple[int, ...]) -> Dataset:
    """Return the data set of whose test samples those of these classes are taken; they are numbered from 0."""
    if dataset.labels != "class":
        raise ValueError(f"classes are attacked, and {dataset.name} has none; leave it out")

    def read(split: Split) -> "tuple[Inputs, Labels]":
        import numpy as np

        x, y = dataset.read(split)
        if split != "test":
            return x, y
        labels = np.asarray(y)
        if missing := sorted({*classes} - {*np.unique(labels).tolist()}):
            raise ValueError(f"{dataset.name} has no test samples of class {missing[0]}")
        rows = np.flatnonzero(np.isin(labels, classes))
        shape = dataset.shape or x[rows[:1]].shape[1:]
        return LazyInputs(x, rows, shape), labels[rows]

    name = f"{dataset.name}:attacked={'+'.join(map(str, classes))}"
    whole = dataset.count if dataset.classes is None else lambda: dataset.classes
    return replace(dataset, name=name, read=read, reread=None, attacked=classes, count=whole)
