"""Labels as class numbers, from whatever form they are stored in. Numpy is not imported at the top."""

from typing import TYPE_CHECKING, Any, Literal

from robust.data.convert import to_array
from robust.data.maps import CRITERION, is_maps, to_maps
from robust.data.remarks import Form, Remarks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from robust.attacks.criteria.criterion import LabelKind

EXPECTED = "expected (n,) of whole numbers"
CRITERIA = "say what is a right answer: --robust-criterion=within:T for values, labels for several labels a sample"


def to_labels(
    y: Any, remarks: Remarks | None = None, first: int = 0, kind: "LabelKind | None" = "class"
) -> "NDArray[Any]":
    """Return labels of a kind: classes as int64, (n,), counted from 0 if the first class is `first`; values or bits.

    Taken as classes are whole numbers of any type, bools, and rows that are one-hot. Values are float32, (n, k), NaN
    where one is not known; bits are int64, (n, k), -1 where one is not known; maps are int64, (n, height, width). None
    for the kind that they show. The remarks hold what was done. ValueError for all else.
    """
    import numpy as np

    remarks = remarks or Remarks()
    labels = to_array(y, "labels")
    if labels.dtype.kind in "OUS":
        some = ", ".join(map(repr, labels.flat[:2].tolist()))
        raise ValueError(f"the labels are texts or objects ({some}), {EXPECTED}: number the classes as the model does")
    stored = f"{labels.dtype} of shape {[*labels.shape]}"
    if kind in ("values", "bits"):
        return _to_rows(labels, kind, stored)
    if kind == "map":
        return to_maps(labels, remarks, first, stored)
    many = is_maps(labels) and labels.size > len(labels)
    while labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
        remarks.note(f"labels of shape {[*labels.shape, 1]} are taken as {[*labels.shape]}")
    form = _find_form(labels)
    if form is None and kind is None and (shown := _find_kind(labels)):
        remarks.form = shown
        return _to_rows(labels, shown, stored)
    if form is None:
        hint = f"; if they are maps of classes, {CRITERION}" if many else f"; {CRITERIA}" * (labels.ndim in (1, 2))
        raise ValueError(f"the labels are {stored}, {EXPECTED}{hint}")
    if form == "one-hot":
        remarks.form, remarks.columns = form, labels.shape[1]
        remarks.note(f"one-hot labels, {stored}, are taken as the number of their column")
        classes: NDArray[np.int64] = labels.argmax(1).astype(np.int64)
        return classes
    if labels.dtype.kind == "b":
        remarks.note("labels of bools are taken as classes: False is 0, True is 1")
    elif form == "float":
        remarks.form = form
        remarks.note(f"labels, {stored}, are whole numbers and are taken as classes")
    if first:
        remarks.note(f"labels count from {first}")
    whole: NDArray[np.int64] = labels.astype(np.int64) - first
    return whole


def _to_rows(labels: "NDArray[Any]", kind: "LabelKind", stored: str) -> "NDArray[Any]":
    """Return labels, (n,) or (n, k), as (n, k) of values or bits; ValueError for what are no such labels."""
    import numpy as np

    rows = labels.reshape(len(labels), -1) if labels.ndim in (1, 2) and len(labels) else labels
    if rows.ndim != 2 or rows.dtype.kind not in "biuf":
        raise ValueError(f"the labels are {stored}, expected numbers, (n,) or (n, k)")
    if kind == "values":
        if np.isinf(rows.astype(np.float64)).any():
            raise ValueError("some labels are infinite; expected numbers, or NaN where one is not known")
        return rows.astype(np.float32)
    known = np.isfinite(rows) & (rows >= 0)
    bits = np.where(known, rows, -1).astype(np.int64)
    if (rows[known] != bits[known]).any() or bits.max() > 1:
        wrong = rows[known & ((rows != bits) | (bits > 1))][0]
        raise ValueError(f"the labels are {stored} and hold {wrong:g}; expected 1, 0, and -1 where one is not known")
    return bits


def _find_kind(labels: "NDArray[Any]") -> "Literal['values', 'bits'] | None":
    """Return the kind that labels show which are no classes: bits of 0 and 1, values of floats; None if unclear."""
    import numpy as np

    if labels.dtype.kind not in "biuf" or labels.ndim not in (1, 2):
        return None
    if labels.ndim == 2 and np.isin(labels, (0, 1)).all():
        return "bits"
    return "values" if labels.dtype.kind == "f" else None


def _find_form(labels: "NDArray[Any]") -> Form | None:
    """Return the form of labels without axes of length 1 at the end; None for what are no classes."""
    import numpy as np

    if labels.dtype.kind not in "biuf":
        return None
    if labels.ndim == 2 and labels.shape[1] > 1:
        return "one-hot" if bool((np.isin(labels, (0, 1)).all(1) & (labels.sum(1) == 1)).all()) else None
    if labels.ndim != 1:
        return None
    if labels.dtype.kind != "f":
        return "whole"
    return "float" if bool((np.isfinite(labels) & (labels == np.floor(labels))).all()) else None
