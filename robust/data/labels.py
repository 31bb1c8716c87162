"""Labels as class numbers, from whatever form they are stored in. Numpy is not imported at the top."""

from typing import TYPE_CHECKING, Any

from robust.data.convert import to_array
from robust.data.remarks import Form, Remarks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXPECTED = "expected (n,) of whole numbers"


def to_labels(y: Any, remarks: Remarks | None = None, first: int = 0) -> "NDArray[np.int64]":
    """Return labels as int64, (n,), counted from 0 if the first class is `first`.

    Taken are whole numbers of any type, bools, and rows that are one-hot; the remarks hold what was done. ValueError
    for all else.
    """
    import numpy as np

    remarks = remarks or Remarks()
    labels = to_array(y, "labels")
    if labels.dtype.kind in "OUS":
        some = ", ".join(map(repr, labels.flat[:2].tolist()))
        raise ValueError(f"the labels are texts or objects ({some}), {EXPECTED}: number the classes as the model does")
    stored = f"{labels.dtype} of shape {[*labels.shape]}"
    while labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
        remarks.note(f"labels of shape {[*labels.shape, 1]} are taken as {[*labels.shape]}")
    form = _find_form(labels)
    if form is None:
        hint = "; several labels a sample, and targets of a regression, are not tested" if labels.ndim < 3 else ""
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
