"""The picture in an input: all of it, or of several inputs the first that is one, and the numbers beside it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.attacks.layout import Layout
from robust.records.gallery import MOST_VALUES


@dataclass(frozen=True, slots=True)
class Picture:
    """Where the picture is in an input, its shape, and its bounds."""

    shape: tuple[int, ...]
    bounds: tuple[float, float]
    place: slice | None = None  # in a row of several inputs; None: the input is the picture

    @classmethod
    def of(cls, shape: tuple[int, ...], bounds: tuple[float, float], layout: Layout | None) -> "Picture | None":
        """Return the picture in inputs of this shape; None if there is none."""
        if layout is None:
            return cls(shape, bounds) if is_image(shape) else None
        part = next((part for part in layout.parts if part.is_float and is_image(part.shape)), None)
        return None if part is None else cls(part.shape, (part.lo, part.hi), layout.places[part.name])

    def take(self, x: Any) -> Any:
        """Return the pictures of inputs, an array or a tensor (k, ...), as (k, *shape)."""
        return x if self.place is None else x[:, self.place].reshape(-1, *self.shape)

    def drop(self, x: Any, value: float) -> Any:
        """Return a copy of the inputs with the picture at one value, and all else as it is."""
        dropped = x.clone()
        if self.place is None:
            return dropped.fill_(value)
        dropped[:, self.place] = value
        return dropped

    def beside(self, before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return the first numbers beside the picture, before and after, (k, m, 2); None if there are none."""
        if self.place is None:
            return None
        both = np.stack([np.delete(rows, self.place, axis=1)[:, :MOST_VALUES] for rows in (before, after)], axis=2)
        return both if both.shape[1] else None


def is_image(shape: tuple[int, ...]) -> bool:
    """Whether inputs of this shape are images: (height, width), or (1 or 3, height, width)."""
    return len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3))
