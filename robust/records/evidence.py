"""The adversarial inputs of a record, as stored in its .npz."""

import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.flags import Flags
from robust.records.columns import THETA, Columns
from robust.records.gallery import GALLERY, Gallery
from robust.records.npz import check_array, read_npz
from robust.sampling import draw_rows

PARTS = ("x_adv", "row", "by", "y", "index")
NEAR = ("near", "near_row")


@dataclass(frozen=True, slots=True)
class Evidence:
    """The adversarial inputs of a record, at most one a sample, in the samples' order; or a part of them."""

    x_adv: NDArray[np.float32]  # (inputs, *shape)
    row: NDArray[np.int64]  # (inputs,): which of the n samples
    by: NDArray[np.int64]  # (inputs,): which of the record's attacks made it
    y: NDArray[Any]  # (n,), (n, k) or (n, h, w): the labels of all samples
    index: NDArray[np.int64]  # (n,): the numbers of all samples in the split
    gallery: Gallery | None = None  # images of a few samples
    near: NDArray[np.float32] | None = None  # (k, *shape): the nearest adversarial inputs, which a curve knows
    near_row: NDArray[np.int64] | None = None  # (k,): of which of the n samples

    @classmethod
    def of(
        cls,
        y: NDArray[Any],
        index: NDArray[np.int64],
        attacks: list[tuple[Flags, NDArray[np.float32]]],
        most: int | None = None,
        seed: int = 0,
    ) -> "Evidence":
        """Join the (adversarial (n,), inputs) of each attack: one input a sample, from the first attack that has one.

        At most `most` samples are kept, drawn by the seed; None keeps all. Only these are read into memory.
        """
        by = np.full(len(y), -1)
        for k, (adversarial, _) in reversed([*enumerate(attacks)]):
            by[adversarial] = k
        row = np.flatnonzero(by >= 0)
        row = row[draw_rows(len(row), most, seed)]
        x_adv = np.zeros((len(row), *attacks[0][1].shape[1:]), np.float32)
        for k, (adversarial, inputs) in enumerate(attacks):
            chosen = by[row] == k
            x_adv[chosen] = inputs[np.cumsum(adversarial)[row[chosen]] - 1]
        return cls(x_adv, row, by[row], y, index)

    def draw(self, most: int, seed: int) -> "Evidence":
        """Return at most `most` of the inputs, drawn by the seed."""
        chosen = draw_rows(len(self.row), most, seed)
        return replace(self, x_adv=self.x_adv[chosen], row=self.row[chosen], by=self.by[chosen])

    def add_nearest(
        self, x_adv: NDArray[np.float32], row: NDArray[np.int64], most: int | None, seed: int
    ) -> "Evidence":
        """Return the evidence with the nearest inputs of the samples `row`, at most `most`, drawn by the seed."""
        chosen = draw_rows(len(row), most, seed)
        return replace(self, near=np.array(x_adv[chosen]), near_row=row[chosen])

    def draw_any(self, most: int, seed: int) -> "Evidence":
        """Return at most `most` of all inputs, also of the nearest ones, which are of no attack of the row."""
        if self.near is None or self.near_row is None:
            return self.draw(most, seed)
        row = np.concatenate([self.row, self.near_row])
        chosen = draw_rows(len(row), most, seed)
        first = chosen[chosen < len(self.row)]
        later = chosen[chosen >= len(self.row)] - len(self.row)
        x_adv = np.concatenate([self.x_adv[first], self.near[later]])
        return replace(self, x_adv=x_adv, row=row[chosen], by=np.zeros(len(chosen), np.int64), near=None, near_row=None)

    def take_theta(self, columns: list[Columns]) -> NDArray[np.float32]:
        """Return the theta of each input, (inputs, 4), from the columns of the record's attacks; NaN without."""
        theta = np.full((len(self.row), 4), np.nan, np.float32)
        for k, column in enumerate(named.get(THETA) for named in columns):
            if column is not None and column.shape == (len(self.y), 4):
                theta[self.by == k] = column[self.row[self.by == k]]
        return theta

    def to_bytes(self) -> bytes:
        """Return a compressed .npz without pickles; equal evidence gives equal bytes."""
        file, images = io.BytesIO(), dict[str, Any](self.gallery.arrays() if self.gallery else {})
        if self.near is not None:
            images |= {"near": self.near, "near_row": self.near_row}
        np.savez_compressed(file, x_adv=self.x_adv, row=self.row, by=self.by, y=self.y, index=self.index, **images)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Evidence":
        """Read the evidence from an .npz; a damaged one raises any Exception."""
        arrays = read_npz(io.BytesIO(content), PARTS, (*GALLERY, *NEAR))
        x_adv, y = arrays["x_adv"], arrays["y"]
        if x_adv.dtype != np.float32 or not x_adv.ndim:
            raise ValueError(f"x_adv is {x_adv.dtype} of shape {list(x_adv.shape)}, expected float32 of (inputs, ...)")
        for name, n in (("row", len(x_adv)), ("by", len(x_adv)), ("index", len(y) if y.ndim else 0)):
            check_array(arrays, name, "iu", (n,))
        axes = y.ndim if y.ndim in (2, 3) else 1
        check_array(arrays, "y", "iuf" if axes == 2 else "iu", (None,) * axes)
        parts: dict[str, Any] = {name: arrays[name] for name in PARTS}
        near = arrays.get("near")
        if near is not None:
            _check_near(near, x_adv)
            check_array(arrays, "near_row", "iu", (len(near),))
        return cls(**parts, gallery=Gallery.of(arrays), near=near, near_row=arrays.get("near_row"))


def _check_near(near: NDArray[Any], x_adv: NDArray[Any]) -> None:
    """Raise ValueError if these are no inputs of the shape of the others."""
    if near.dtype != np.float32 or near.shape[1:] != x_adv.shape[1:] or not near.ndim:
        raise ValueError(f"near is {near.dtype} of shape {list(near.shape)}, expected float32 of (k, *features)")
