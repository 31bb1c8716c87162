"""The adversarial inputs of a record, as its .npz holds them."""

import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.records.gallery import Gallery
from robust.sampling import draw_rows


@dataclass(frozen=True, slots=True)
class Evidence:
    """The adversarial inputs of a record's broken samples, or of some, one for each, in the samples' order."""

    x_adv: NDArray[np.float32]  # (inputs, *shape)
    row: NDArray[np.int64]  # (inputs,): which of the n samples
    by: NDArray[np.int64]  # (inputs,): which of the record's attacks found it
    y: NDArray[np.int64]  # (n,): the labels of all samples
    index: NDArray[np.int64]  # (n,): their numbers in the split
    gallery: Gallery | None = None  # pictures of a few

    @classmethod
    def of(
        cls,
        y: NDArray[np.int64],
        index: NDArray[np.int64],
        found: list[tuple[NDArray[np.bool_], NDArray[np.float32]]],
        most: int | None = None,
        seed: int = 0,
    ) -> "Evidence":
        """Of each attack's (broken (n,), their inputs), one input a sample: the first attack's that broke it.

        At most so many of them, drawn by the seed; None for all. Only these are brought into memory.
        """
        by = np.full(len(y), -1)
        for k, (adversarial, _) in reversed([*enumerate(found)]):
            by[adversarial] = k
        row = np.flatnonzero(by >= 0)
        row = row[draw_rows(len(row), most, seed)]
        x_adv = np.zeros((len(row), *found[0][1].shape[1:]), np.float32)
        for k, (adversarial, inputs) in enumerate(found):
            mine = by[row] == k
            x_adv[mine] = inputs[np.cumsum(adversarial)[row[mine]] - 1]
        return cls(x_adv, row, by[row], y, index)

    def drawn(self, most: int, seed: int) -> "Evidence":
        """At most so many of the inputs, drawn by the seed."""
        kept = draw_rows(len(self.row), most, seed)
        return replace(self, x_adv=self.x_adv[kept], row=self.row[kept], by=self.by[kept])

    def to_bytes(self) -> bytes:
        """A compressed .npz without pickles; equal evidence gives equal bytes."""
        file, pictures = io.BytesIO(), dict[str, Any](self.gallery.arrays() if self.gallery else {})
        np.savez_compressed(file, x_adv=self.x_adv, row=self.row, by=self.by, y=self.y, index=self.index, **pictures)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Evidence":
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            found: dict[str, Any] = {key: file[key] for key in ("x_adv", "row", "by", "y", "index")}
            return cls(**found, gallery=Gallery.of(file))
