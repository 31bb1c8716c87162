"""Maps: labels that are the class of each pixel, (n, height, width). Numpy is not imported at the top."""

from typing import TYPE_CHECKING, Any

from robust.data.remarks import Remarks

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXPECTED = "expected maps of classes, (n, height, width) of whole numbers"
CRITERION = "say how many of their pixels must be right: --robust-criterion=pixels:0.9"


def to_maps(labels: "NDArray[Any]", remarks: Remarks, first: int, stored: str) -> "NDArray[Any]":
    """Return labels as maps of classes, (n, height, width) int64, counted from 0 if the first class is `first`.

    Taken as maps are whole numbers of any type, bools, (n, 1, height, width), and one-hot (n, classes, height, width).
    ValueError for all else; `stored` says what the labels are.
    """
    import numpy as np

    if labels.ndim == 4 and labels.shape[1] == 1:
        labels = labels[:, 0]
        remarks.note(f"labels of shape {[len(labels), 1, *labels.shape[1:]]} are taken as {[*labels.shape]}")
    elif labels.ndim == 4 and np.isin(labels, (0, 1)).all() and (labels.sum(1) == 1).all():
        remarks.note(f"one-hot labels, {stored}, are taken as the number of their channel")
        labels = labels.argmax(1)
    whole = labels.dtype.kind in "biu" or (labels.dtype.kind == "f" and bool((labels == np.floor(labels)).all()))
    if labels.ndim != 3 or not whole or not labels.size:
        raise ValueError(f"the labels are {stored}, {EXPECTED}")
    if labels.dtype.kind == "f":
        remarks.note(f"labels, {stored}, are whole numbers and are taken as classes")
    if first:
        remarks.note(f"labels count from {first}")
    maps: NDArray[np.int64] = labels.astype(np.int64) - first
    return maps


def is_maps(labels: "NDArray[Any]") -> bool:
    """Whether labels look like maps of classes."""
    return labels.ndim in (3, 4) and labels.dtype.kind in "biu"


def advise_ignored(low: int, high: int, classes: int) -> str:
    """Return advice on labels up to `high`, of which a model or a data set has only `classes`."""
    binary = f", or if {high} is the class 1, give y // {high}" if classes == 2 and low == 0 else ""
    return f"; if {high} marks pixels that do not count, say so: --robust-criterion=pixels:0.9:ignore={high}{binary}"
