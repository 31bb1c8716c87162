"""Folds of a data set: "digits:fold=2of5" is tested on a fifth of the training split, and trained on the rest."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from robust.attacks.spec import Spec
from robust.data.dataset import Dataset, Split
from robust.data.lazy_inputs import Inputs, LazyInputs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from robust.data.dataset import Labels

EXPECTED = "write fold=2of5, the number of the fold and how many there are, at least 2"
SHUFFLED = 0  # the seed that cuts the folds: the same of each run, so that a name says which samples they are


@dataclass(frozen=True, slots=True)
class Fold:
    """One of several parts of the training split."""

    number: int  # from 1
    of: int

    @classmethod
    def parse(cls, text: str) -> "Fold":
        """Read 2of5; raise ValueError for anything else."""
        number, word, of = text.partition("of")
        if not (word and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of) >= 2):
            raise ValueError(f"fold={text}: {EXPECTED}")
        return cls(int(number), int(of))

    def __str__(self) -> str:
        return f"{self.number}of{self.of}"


def split_fold(text: str) -> tuple[str, Fold | None]:
    """Return (the spec without the option `fold`, the fold that it names, or None)."""
    if ":fold=" not in text:
        return text, None
    spec = Spec.parse(text)
    return str(spec.without("fold")), Fold.parse(str(dict(spec.options)["fold"]))


def select_fold(dataset: Dataset, fold: Fold) -> Dataset:
    """Return the data set whose test samples are a fold of the training split, and whose training samples the rest.

    The test split is not read. Reading raises ValueError if there are fewer samples than folds.
    """

    def read(split: Split) -> "tuple[Inputs, Labels]":
        import numpy as np

        x, y = dataset.read("train")
        labels = np.asarray(y)
        own = assign_folds(labels, fold.of) == fold.number - 1
        rows = np.flatnonzero(own if split == "test" else ~own)
        return LazyInputs(x, rows, dataset.shape or x[rows[:1]].shape[1:]), labels[rows]

    def count() -> int | None:
        """Count the classes of the whole training split: a fold may lack one, and so may classes that are attacked."""
        if (known := dataset.classes or dataset.count()) is not None or dataset.labels != "class":
            return known
        import numpy as np

        labels = np.asarray(dataset.read("train")[1])
        return dataset.widen(labels).classes if labels.ndim == 1 and labels.dtype.kind in "iu" else None

    reread = dataset.reread and (lambda kind: select_fold(dataset.reread(kind), fold))  # type: ignore[misc]
    wide = dataset.open or dataset.classes is None  # a model may have more classes
    return replace(dataset, name=f"{dataset.name}:fold={fold}", read=read, reread=reread, count=count, open=wide)


def assign_folds(labels: "NDArray[np.generic]", of: int) -> "NDArray[np.int64]":
    """Return the fold of each sample, (n,), from 0: shuffled, and of classes each fold has as many of each as another.

    The numbers of samples differ by at most one, both in all and within a class.
    """
    import numpy as np

    if len(labels) < of:
        raise ValueError(f"{len(labels)} training samples cannot be cut into {of} folds")
    order = np.random.RandomState(SHUFFLED).permutation(len(labels))
    if labels.ndim == 1 and labels.dtype.kind in "iu":
        order = order[np.argsort(labels[order], kind="stable")]
    folds = np.empty(len(labels), np.int64)
    folds[order] = np.arange(len(labels)) % of
    return folds
