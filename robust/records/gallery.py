"""Pictures of a few broken samples, as a record's .npz keeps them for the page. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.sampling import shuffled_rows

PREFIX = "gallery_"  # of its arrays among the evidence's

Pictures = NDArray[np.uint8]  # (k, height, width, 1 or 3)


@dataclass(frozen=True, slots=True)
class Gallery:
    """k broken samples, in the samples' order."""

    row: NDArray[np.int64]  # (k,): which of the n samples
    label: NDArray[np.int64]  # (k,)
    answer: NDArray[np.int64]  # (k,): what the model takes the adversarial input for
    sure: NDArray[np.float32]  # (k,): with which probability
    original: Pictures
    change: Pictures  # around grey, of each sample scaled to its largest value
    adversarial: Pictures
    saliency: Pictures | None  # of the loss at the original; None where no gradient leads there
    integrated: Pictures | None  # integrated gradients of the right class; None without captum too

    def arrays(self) -> dict[str, NDArray[Any]]:
        """By the names under which a file has them."""
        found = {PREFIX + part.name: getattr(self, part.name) for part in fields(self)}
        return {name: array for name, array in found.items() if array is not None}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> "Gallery | None":
        """From what a file holds; None where it holds no pictures."""
        if f"{PREFIX}row" not in arrays:
            return None
        found: dict[str, Any] = {part.name: arrays.get(PREFIX + part.name) for part in fields(cls)}
        return cls(**found)

    def take(self, at: NDArray[np.int64]) -> "Gallery":
        """The samples at these places."""
        parts: dict[str, Any] = {part.name: getattr(self, part.name) for part in fields(self)}
        taken: dict[str, Any] = {name: None if array is None else array[at] for name, array in parts.items()}
        return Gallery(**taken)


def choose_rows(adversarial: NDArray[np.bool_], most: int, seed: int) -> NDArray[np.int64]:
    """At most so many of the broken samples (n,), ascending, drawn by the seed.

    What is chosen of all is chosen of each part that it is in: so parts can be chosen from apart, and joined.
    """
    order = shuffled_rows(len(adversarial), seed)
    return np.sort(order[adversarial[order]][:most])


def join_galleries(
    galleries: Sequence["Gallery | None"], adversarial: NDArray[np.bool_], most: int, seed: int
) -> "Gallery | None":
    """Of several attacks' pictures those of the samples that are chosen of all that are `broken`, (n,).

    Each by the first attack that has it. None where there are none.
    """
    there = [gallery for gallery in galleries if gallery is not None and len(gallery.row)]
    if not there:
        return None
    columns: dict[str, Any] = {}
    for part in fields(Gallery):
        column = [getattr(gallery, part.name) for gallery in there]
        columns[part.name] = None if any(array is None for array in column) else np.concatenate(column)
    whole = Gallery(**columns)
    wanted = choose_rows(adversarial, most, seed)
    rows, first = np.unique(whole.row, return_index=True)
    return whole.take(first[np.isin(rows, wanted)])
