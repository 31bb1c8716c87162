"""Images of a few adversarial samples, as a record's .npz keeps them for the page. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.flags import Flags
from robust.records.npz import check_array, read_npz
from robust.sampling import shuffled_rows

PREFIX = "gallery_"  # of the names of its arrays in the .npz
MOST_VALUES = 16  # numbers of other inputs that are shown beside an image
MAX_SIDE = 1024  # pixels: nine times what is written

Images = NDArray[np.uint8]  # (k, height, width, 1 or 3)


@dataclass(frozen=True, slots=True)
class Gallery:
    """k adversarial samples, in the samples' order. Of maps, labels and answers are (k, h, w)."""

    row: NDArray[np.int64]  # (k,): which of the n samples
    label: NDArray[np.int64]  # (k,)
    answer: NDArray[np.int64]  # (k,): the class that the model answers for the adversarial input
    sure: NDArray[np.float32]  # (k,): the probability of that answer; of maps the share of its pixels that are right
    original: Images
    change: Images  # around grey, each sample scaled to its largest value
    adversarial: Images
    saliency: Images | None  # of the loss at the original; None if the model has no gradient
    integrated: Images | None  # integrated gradients of the right class; None also without captum
    before: NDArray[np.int64] | None = None  # (k, h, w): of maps, the answer to the original
    distance: NDArray[np.float32] | None = None  # (k,): of the nearest inputs that a curve knows; None without one
    # (k, m, 2): numbers of other inputs, before and after; None: there are none
    values: NDArray[np.float32] | None = None
    theta: NDArray[np.float32] | None = None  # (k, 4): what transformed each input, NaN where nothing did; None without
    kind: NDArray[np.int64] | None = (
        None  # (k,): the place of the corruption in the threat model, -1: none; None without
    )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by their names in the file."""
        named = {PREFIX + part.name: getattr(self, part.name) for part in fields(self)}
        return {name: array for name, array in named.items() if array is not None}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> "Gallery | None":
        """Make the gallery from the arrays of a file; None if it holds no images, ValueError for other shapes."""
        if f"{PREFIX}row" not in arrays:
            return None
        _check(arrays)
        parts: dict[str, Any] = {part.name: arrays.get(PREFIX + part.name) for part in fields(cls)}
        return cls(**parts)

    @classmethod
    def read(cls, path: Path) -> "Gallery | None":
        """Read the gallery of an .npz, without the inputs in it; a damaged one raises any Exception."""
        return cls.of(read_npz(path, (), GALLERY))

    def take(self, places: NDArray[np.int64]) -> "Gallery":
        """Return the gallery of the samples at these places."""
        parts: dict[str, Any] = {part.name: getattr(self, part.name) for part in fields(self)}
        taken: dict[str, Any] = {name: None if array is None else array[places] for name, array in parts.items()}
        return Gallery(**taken)


GALLERY = tuple(PREFIX + part.name for part in fields(Gallery))
OPTIONAL = tuple(PREFIX + name for name in ("saliency", "integrated", "before", "distance", "values", "theta", "kind"))
IMAGES = tuple(PREFIX + name for name in ("original", "change", "adversarial", "saliency", "integrated"))


def _check(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Raise ValueError if the arrays are not those of a gallery."""
    if missing := [name for name in GALLERY if name not in arrays and name not in OPTIONAL]:
        raise ValueError(f"it has images, and no array {missing[0]}")
    k = arrays[f"{PREFIX}row"].size
    original = arrays[f"{PREFIX}original"]
    maps = arrays[f"{PREFIX}label"].shape[1:]
    check_array(arrays, f"{PREFIX}row", "iu", (k,))
    for name in ("label", "answer", *["before"] * (f"{PREFIX}before" in arrays)):
        check_array(arrays, PREFIX + name, "iu", (k, *maps))
    if len(maps) not in (0, 2):
        raise ValueError(f"its labels have the shape {[k, *maps]}, expected one a sample, or maps")
    check_array(arrays, f"{PREFIX}sure", "f", (k,))
    if f"{PREFIX}distance" in arrays:
        check_array(arrays, f"{PREFIX}distance", "f", (k,))
    if f"{PREFIX}theta" in arrays:
        check_array(arrays, f"{PREFIX}theta", "f", (k, 4))
    if f"{PREFIX}kind" in arrays:
        check_array(arrays, f"{PREFIX}kind", "i", (k,))
    if (values := arrays.get(f"{PREFIX}values")) is not None:
        check_array(arrays, f"{PREFIX}values", "f", (k, min(max(values.shape[1:2], default=0), MOST_VALUES), 2))
    for name in IMAGES:
        if name in arrays:
            check_array(arrays, name, "u", (k, *original.shape[1:3], original.shape[-1]))
            _check_image(name, arrays[name])


def _check_image(name: str, images: NDArray[Any]) -> None:
    _, height, width, channels = images.shape
    if images.dtype != np.uint8 or channels not in (1, 3) or not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        raise ValueError(f"{name} is {images.dtype} of shape {list(images.shape)}, expected images in 8 bits")


def choose_rows(adversarial: Flags, most: int, seed: int) -> NDArray[np.int64]:
    """Return at most `most` of the `adversarial` samples, (n,), ascending, drawn by the seed.

    A sample that is chosen from all is also chosen from every part that holds it, so the choices from parts can be
    joined.
    """
    order = shuffled_rows(len(adversarial), seed)
    return np.sort(order[adversarial[order]][:most])


def join_galleries(galleries: Sequence["Gallery | None"], adversarial: Flags, most: int, seed: int) -> "Gallery | None":
    """Join the galleries of several attacks, keeping the samples that are chosen from all `adversarial` ones, (n,).

    A sample in several galleries is taken from the first. None if there are no images.
    """
    filled = [gallery for gallery in galleries if gallery is not None and len(gallery.row)]
    if not filled:
        return None
    columns: dict[str, Any] = {}
    for part in fields(Gallery):
        column = [getattr(gallery, part.name) for gallery in filled]
        columns[part.name] = None if any(array is None for array in column) else np.concatenate(column)
    whole = Gallery(**columns)
    chosen = choose_rows(adversarial, most, seed)
    rows, first = np.unique(whole.row, return_index=True)
    return whole.take(first[np.isin(rows, chosen)])
