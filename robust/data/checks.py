"""Check that the samples of a data set are as it is declared."""

from typing import TYPE_CHECKING, Any

from robust.attacks.criteria.registry import DEFAULT, read_criterion
from robust.data.bounds import Bounds, OutsideError, advise_labels
from robust.data.lazy_inputs import iter_parts
from robust.data.maps import advise_ignored
from robust.data.several import check_parts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from robust.data.dataset import Dataset, Samples


def check_samples(declared: "Dataset", samples: "Samples") -> None:
    """Raise ValueError if the samples are not as declared: their shape, their bounds, their labels."""
    for x in iter_parts(samples.x):
        if declared.layout is not None:
            check_parts(declared.name, declared.layout, x, declared.moving)
        else:
            _check_inputs(declared, x)
    if samples.y.ndim == 2:
        if declared.classes not in (None, samples.y.shape[1]):
            shape = [*samples.y.shape]
            raise ValueError(f"{declared.name} has labels of shape {shape}, expected {declared.classes} a sample")
    elif declared.labels == "map":
        _check_maps(declared, samples.y)
    else:
        _check_classes(declared, samples.y)


def _check_inputs(declared: "Dataset", x: "NDArray[np.float32]") -> None:
    there = x[x == x] if declared.missing else x  # not NaN
    if x.shape[1:] == declared.shape and ((there >= declared.lo) & (there <= declared.hi)).all():
        return
    low, high = (there.min(), there.max()) if there.size else (declared.lo, declared.hi)
    actual = f"inputs of shape {list(x.shape[1:])} from {low:g} to {high:g}"
    expected = f"{list(declared.shape or ())} from {declared.lo:g} to {declared.hi:g}"
    bounds = Bounds(declared.lo, declared.hi)
    raise OutsideError(f"{declared.name} has {actual}, expected {expected}", bounds, (low, high))


def _check_classes(declared: "Dataset", y: "NDArray[Any]") -> None:
    top = declared.classes or max(int(y.max()) + 1, 2)
    if y.min() < 0 or y.max() >= top:
        seen = f"{declared.name} has labels from {y.min()} to {y.max()}, expected 0 to {top - 1}"
        raise ValueError(f"{seen}{advise_labels(int(y.min()), int(y.max()), declared.classes, top)}")


def _check_maps(declared: "Dataset", y: "NDArray[np.int64]") -> None:
    known = find_counted(y, declared.criterion)
    if declared.classes is not None and known.size and int(known.max()) >= declared.classes:
        seen = f"{declared.name} has pixels with labels from {known.min()} to {known.max()}, expected 0 to"
        hint = advise_ignored(int(known.min()), int(known.max()), declared.classes)
        raise ValueError(f"{seen} {declared.classes - 1}{hint}")


def find_counted(y: "NDArray[np.int64]", criterion: str) -> "NDArray[np.int64]":
    """Return the labels of maps, (n, h, w), that count, (m,)."""
    if criterion == DEFAULT:
        return y[y >= 0]
    return y[read_criterion(criterion).mark_counted(y)]  # type: ignore[attr-defined]
