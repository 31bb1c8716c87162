"""Users' arrays as data sets, for npz:FILE, npy:DIR and FILE.py:FUNCTION."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from robust.attacks.spec import Spec, Value, configure
from robust.attacks.text import printable
from robust.data.dataset import Dataset, Split
from robust.data.items import Items, LazyLabels
from robust.data.labels import to_labels
from robust.data.remarks import Remarks
from robust.data.several import PartBounds, SeveralInputs, open_several
from robust.data.user_inputs import UserInputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from robust.attacks.criteria.criterion import LabelKind


@dataclass(frozen=True, slots=True)
class UserArrays:
    """Options that only the user can give: "npz:FILE:lo=-1:classes=100"."""

    lo: float = 0.0
    hi: float = 1.0
    classes: int | None = None  # by default as many as the model answers with, and the labels need
    first: int = 0  # the number of the first class: 1 for labels that count from 1
    turn: bool = True  # whether images of (height, width, channels) are turned to (channels, height, width)

    def __post_init__(self) -> None:
        if not self.lo < self.hi:
            raise ValueError(f"lo must be below hi, got {self.lo:g} and {self.hi:g}")
        if self.classes is not None and self.classes < 2:
            raise ValueError(f"classes must be at least 2, got {self.classes}")


def split_part_bounds(spec: Spec) -> tuple[tuple[tuple[str, Value], ...], PartBounds]:
    """Return (the options of all inputs, the bounds of single parts, as meta.lo=-3); ValueError for others of these."""
    whole, bounds = [], dict[str, dict[str, float]]()
    for key, value in spec.options:
        part, dot, end = key.rpartition(".")
        if not dot:
            whole.append((key, value))
        elif end not in ("lo", "hi") or isinstance(value, str | bool):
            raise ValueError(f"{key}={value}: of a part of several inputs give its bounds, as {part}.lo=-3:{part}.hi=3")
        else:
            bounds.setdefault(part, {})[end] = float(value)
    return tuple(whole), bounds


def _open_inputs(
    x: Any, n: int | None, remarks: Remarks, options: UserArrays, bounds: PartBounds
) -> UserInputs | SeveralInputs:
    """Return a user's inputs, one or several, with their bounds."""
    several = open_several(x, n, remarks, turn=options.turn)
    if several is None:
        if bounds:
            raise ValueError(
                f"the bounds of {', '.join(bounds)} are of a part, and there is one input; write lo= and hi="
            )
        return UserInputs(x, remarks, turn=options.turn)
    several.bound(bounds, options.lo, options.hi)
    return several


Read = Callable[[Split, Remarks], tuple[Any, Any]]


def user_dataset(name: str, spec: Spec, read: Read, kind: "LabelKind | None" = None) -> Dataset:
    """Return a data set of what `read` returns for a split, inputs (n, *shape) and labels (n,), or both as `Items`.

    `read` is called once a split. Pixels of uint8 are divided by 255. `spec` holds the options of `UserArrays`. `kind`
    is that of the labels; None for what they show.
    """
    whole, of_parts = split_part_bounds(spec)
    options = configure(UserArrays, Spec(spec.name, options=whole))
    remarks = Remarks()

    @functools.cache
    def convert(split: Split) -> "tuple[UserInputs | SeveralInputs, NDArray[Any] | LazyLabels]":
        x, y = read(split, remarks)
        inputs = _open_inputs(
            x, len(y) if hasattr(y, "__len__") and not isinstance(y, Items) else None, remarks, options, of_parts
        )
        if isinstance(y, Items):
            return inputs, LazyLabels(y, lambda labels: to_labels(labels, remarks, options.first, kind or "class"))
        return inputs, to_labels(y, remarks, options.first, kind)

    return Dataset(
        printable(name),
        None,
        options.lo,
        options.hi,
        options.classes,
        None,
        convert,
        remarks=remarks,
        labels=kind or "class",
        reread=functools.partial(user_dataset, name, spec, read),
    )
