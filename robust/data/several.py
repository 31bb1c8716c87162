"""Several inputs of a sample, as rows of float32 in which the parts stand one after the other: see attacks/layout.py.

A part of floats, or of pixels, becomes float32 as a single input does. Whole numbers, as lengths, masks and ids, stay
exactly as they are, and nothing changes them.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from robust.attacks.layout import EXACT, InputPart, Layout, are_several, check_counts, iter_parts
from robust.data.bounds import Bounds, Clamped, OutsideError
from robust.data.convert import is_image, to_array
from robust.data.items import Items
from robust.data.remarks import Remarks
from robust.data.user_inputs import UserInputs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]

PartBounds = Mapping[str, Mapping[str, float]]  # by part, "lo" and "hi" as the user gives them


class SeveralInputs:
    """Several inputs that become rows, (n, features) of float32, when they are read."""

    array = False

    def __init__(
        self, read: "Callable[[NDArray[np.int64]], Arrays]", n: int, named: bool, remarks: Remarks, *, turn: bool
    ) -> None:
        """Take a function that reads the parts of some rows, each (m, *shape), by their names."""
        import numpy as np

        self._read = read
        self._n = n
        self._remarks = remarks
        self._turn = turn
        first = self._convert(read(np.zeros(1, np.int64))) if n else {}
        parts = (InputPart(name, array.shape[1:], _type_of(array)) for name, array in first.items())
        self.layout = Layout(tuple(parts), named)

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, rows: "NDArray[np.int64]") -> "NDArray[np.float32]":
        import numpy as np

        arrays = self._convert(self._read(rows))
        for part in self.layout.parts:
            if arrays[part.name].shape[1:] != part.shape:
                seen = f"{[*arrays[part.name].shape[1:]]} and {[*part.shape]}"
                raise ValueError(f"the part {part.name} is of shapes {seen}; resize or pad it where it is read")
        flat = [self._bounded(part, arrays[part.name].reshape(len(rows), -1)) for part in self.layout.parts]
        return np.concatenate(flat, axis=1)

    def bound(self, given: PartBounds, lo: float, hi: float) -> None:
        """Set the bounds of the parts: those that the user gives, else lo and hi; ValueError for what is no part."""
        floats = [part for part in self.layout.parts if part.is_float]
        bounds = {part.name: (lo, hi) for part in floats}
        for name, ends in given.items():
            low, high = bounds.get(name, (lo, hi))
            bounds[name] = ends.get("lo", low), ends.get("hi", high)
        try:
            self.layout = self.layout.bound(bounds)
        except LookupError as error:
            raise ValueError(error.args[0]) from None

    def _convert(self, arrays: "Arrays") -> "Arrays":
        import numpy as np

        converted = {}
        for name, array in arrays.items():
            if array.dtype.kind not in "biuf":
                raise ValueError(f"the part {name} is {array.dtype}, expected numbers: floats, pixels or whole numbers")
            if array.dtype.kind == "f" or _is_pixels(array):
                wide = array if array.ndim > 1 else array[:, None]
                floats = UserInputs(wide, self._remarks, turn=self._turn)[np.arange(len(array))]
                converted[name] = floats if array.ndim > 1 else floats[:, 0]
                continue
            if array.dtype.kind in "iu" and array.size and max(-int(array.min()), int(array.max())) > EXACT:
                raise ValueError(f"the part {name} has whole numbers above {EXACT}, which float32 cannot hold exactly")
            converted[name] = array
        return converted

    def _bounded(self, part: InputPart, flat: "NDArray[Any]") -> "NDArray[np.float32]":
        """Return a part's numbers; those of floats that leave the bounds by rounding alone are moved onto them."""
        import numpy as np

        rows: NDArray[np.float32] = np.ascontiguousarray(flat, np.float32)
        return Clamped(rows, Bounds(part.lo, part.hi), self._remarks)[np.arange(len(rows))] if part.is_float else rows


def open_several(x: Any, n: int | None, remarks: Remarks, *, turn: bool) -> SeveralInputs | None:
    """Return inputs as several parts: of a mapping, a tuple, or items that hold such; None for a single input.

    A tuple, or a list, of `n` is one of the samples. ValueError, in one line, if the parts do not fit one another.
    """
    import numpy as np

    if isinstance(x, Items):
        if not len(x) or not x.have_parts:
            return None
        first = x.read_parts(np.zeros(1, np.int64))
        return SeveralInputs(x.read_parts, len(x), "0" not in first, remarks, turn=turn)
    if not _holds_parts(x, n):
        return None
    arrays = {name: to_array(part, f"inputs {name}") for name, part in iter_parts(x)}
    check_counts(dict.fromkeys(arrays, 0))  # that there are some
    for name, array in arrays.items():
        if not array.ndim:
            raise ValueError(f"the part {name} is one number, expected an array with a row for each sample")
    check_counts({name: len(array) for name, array in arrays.items()} | ({} if n is None else {"labels": n}))
    return SeveralInputs(
        lambda rows: {name: array[rows] for name, array in arrays.items()},
        len(next(iter(arrays.values()))),
        isinstance(x, Mapping),
        remarks,
        turn=turn,
    )


def check_parts(name: str, layout: Layout, x: "NDArray[np.float32]", moving: tuple[str, ...] | None) -> None:
    """Raise OutsideError if a part that an attacker may move leaves its bounds; `moving` None: any part of floats.

    And for NaN and infinity in any part.
    """
    import numpy as np

    for part in layout.parts:
        values = x[:, layout.places[part.name]]
        moves = part.is_float and (moving is None or part.name in moving)
        if not values.size:
            continue
        low, high = float(values.min()), float(values.max())
        finite = bool(np.isfinite(values).all())
        if not finite or (moves and not (low >= part.lo and high <= part.hi)):
            fault = f"the part {part.name} of {name} goes from {low:g} to {high:g}, expected {part.lo:g} to {part.hi:g}"
            raise OutsideError(fault, Bounds(part.lo, part.hi), (low, high), part.name)


def _holds_parts(x: Any, n: int | None) -> bool:
    """Whether inputs are a mapping of arrays, or a tuple or a list of a few, and not of the samples."""
    if isinstance(x, Mapping):
        return True
    return are_several(x) and 1 < len(x) != n and not any(map(is_image, x)) and all(len(part.shape) for part in x)


def _is_pixels(array: "NDArray[Any]") -> bool:
    return array.dtype.name == "uint8" and array.ndim > 2


def _type_of(array: "NDArray[Any]") -> str:
    name = array.dtype.name
    return name if name in ("bool", "uint8", "int8", "int16", "int32", "int64", "float32") else "int64"
