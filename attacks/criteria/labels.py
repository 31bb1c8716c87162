"""labels: of several labels a sample, each on or off, all must be answered right; labels:any=3,5 only these count.

Shapes: `output` are logits, (n, k); `y` are labels, (n, k): 1 is on, 0 is off, and below 0 is not known, and does not
count. No torch in this file: collecting tests reads criteria.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from robust.attacks.criteria.registry import CRITERIA
from robust.attacks.spec import Spec

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

UNKNOWN = 1e30  # stands for no limit
EXPECTED = "write labels, or labels:any=3,5 for the numbers of those that count"


@CRITERIA.register("labels")
@dataclass(frozen=True, slots=True)
class Labels:
    """Accept an answer whose logit is above 0 for each label that is on, and not for each that is off."""

    only: tuple[int, ...] = ()  # the labels that count; empty: all

    labels: ClassVar[Literal["bits"]] = "bits"
    losses: ClassVar[tuple[str, ...]] = ("ce", "margin")
    score_name: ClassVar[str] = "labels"
    rises: ClassVar[bool] = False

    @classmethod
    def from_spec(cls, spec: Spec) -> "Labels":
        """Read labels or labels:any=3,5; raise ValueError for anything else."""
        options = dict(spec.options)
        numbers = str(options.pop("any", "")).split(",") if "any" in options else []
        if spec.args or options or not all(number.isdecimal() for number in numbers):
            raise ValueError(EXPECTED)
        return cls(tuple(sorted({*map(int, numbers)})))

    def __str__(self) -> str:
        return f"labels:any={','.join(map(str, self.only))}" if self.only else "labels"

    def describe(self) -> str:
        """Return what a right answer is, for people."""
        numbers = ", ".join(map(str, self.only))
        return f"the labels {numbers} right" if self.only else "every label right"

    def count_targets(self, width: int) -> int:
        """Return how many ways there are to be wrong: each label that counts."""
        return len(self.only) or width

    def refuse_labels(self, y: "NDArray[Any]") -> str:
        """Return why these labels, (n, k), cannot be judged; "" if they can."""
        import numpy as np

        if self.only and self.only[-1] >= y.shape[1]:
            return f"there are {y.shape[1]} labels, numbered from 0, and {self} names {self.only[-1]}"
        known = (y >= 0)[:, list(self.only) or slice(None)].any(1)
        if (rows := np.flatnonzero(~known)).size:
            return f"{len(rows)} samples have no label that counts, the first in row {rows[0]}; leave them out"
        return ""

    def finite(self, output: "Tensor") -> "Tensor":
        """Mark the samples whose logits are all finite, (n,) bool."""
        return output.flatten(1).isfinite().all(1)

    def accepts(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """Mark the samples all of whose labels that count are answered right, (n,) bool."""
        labels, counts = self._read(output, y)
        return (((output > 0) == (labels > 0)) | ~counts).all(1)

    def margin(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """Return how far the worst logit is on the wrong side of 0, (n,)."""
        return self._wrong(output, y).amax(1)

    def score(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """Return the share of the labels that are right, (n,)."""
        labels, counts = self._read(output, y)
        right = ((output > 0) == (labels > 0)) & counts
        return right.sum(1).to(output.dtype) / counts.sum(1)

    def ranked_targets(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """Return the labels, (n, k) int64, the nearest to being answered wrong first."""
        return self._wrong(output, y).sort(dim=1, descending=True, stable=True).indices

    def halfspaces(self, y: "Tensor", width: int) -> "tuple[Tensor, Tensor]":
        """Return that each logit is on the side of its label, (n, k, k) and (n, k)."""
        rows = y.reshape(len(y), width)
        labels, counts = self._read(rows, rows)
        side = (2 * (labels > 0).double() - 1) * counts
        a = side.diag_embed()
        return a, a.new_zeros(a.shape[:2]).masked_fill(~counts, UNKNOWN)

    def loss(self, name: str, output: "Tensor", y: "Tensor", target: "Tensor | None" = None) -> "Tensor":
        """Return the margin, or as "ce" the binary cross-entropy; with `target`, (n,) int64, of one label alone."""
        if name not in self.losses:
            raise ValueError(f"the loss {name} is for classes; {self} has {' and '.join(self.losses)}")
        wrong = self._wrong(output, y)
        if target is not None:
            return wrong.gather(1, target[:, None])[:, 0]
        if name == "margin":
            return wrong.amax(1)
        known = wrong.where(wrong.isfinite(), wrong.new_tensor(-1e4))  # whose cross-entropy, and its slope, are 0
        return (known.clamp_min(0) + known.abs().neg().exp().log1p()).sum(1)

    def _read(self, output: "Tensor", y: "Tensor") -> "tuple[Tensor, Tensor]":
        """Return (labels, whether each counts), both of the shape of the output, (n, k)."""
        labels = y.reshape(output.shape)
        counts = labels >= 0
        if self.only:
            chosen = counts.new_zeros(counts.shape[1])
            chosen[list(self.only)] = True
            counts = counts & chosen
        return labels, counts

    def _wrong(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """Return how far each logit is on the wrong side of 0, (n, k); -inf where the label does not count."""
        labels, counts = self._read(output, y)
        side = (1 - 2 * (labels > 0).to(output.dtype)) * output
        return side.masked_fill(~counts, -math.inf)
