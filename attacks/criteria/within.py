"""within:T: an answer is right if every value of it is within T of the label's; within:10% is relative to the label.

Shapes: `output` are values, (n, k); `y` are labels, (n, k) or (n,) of k = 1, floats; a label that is NaN is not known,
and does not count. No torch in this file: collecting tests reads criteria.
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
EXPECTED = "write within:T with the largest error that is acceptable, in the labels' units or relative, as within:10%"


@CRITERIA.register("within")
@dataclass(frozen=True, slots=True)
class Within:
    """Accept an answer if none of its values is further than the tolerance from the label's."""

    tolerance: float  # in the units of the labels; if relative, a share of the label's size
    relative: bool = False

    labels: ClassVar[Literal["values"]] = "values"
    losses: ClassVar[tuple[str, ...]] = ("ce", "margin")
    score_name: ClassVar[str] = "error"
    rises: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tolerance) and self.tolerance > 0):
            raise ValueError(f"the tolerance must be above 0, got {self.tolerance:g}")

    @classmethod
    def from_spec(cls, spec: Spec) -> "Within":
        """Read within:50 or within:10%; raise ValueError for anything else."""
        if len(spec.args) != 1 or spec.options:
            raise ValueError(EXPECTED)
        text = spec.args[0].removesuffix("%")
        try:
            number = float(text)
        except ValueError:
            raise ValueError(f"{spec.args[0]!r} is no number; {EXPECTED}") from None
        return cls(number / 100 if text != spec.args[0] else number, text != spec.args[0])

    def __str__(self) -> str:
        return f"within:{100 * self.tolerance:.9g}%" if self.relative else f"within:{self.tolerance:.9g}"

    def describe(self) -> str:
        """Return what a right answer is, for people."""
        of = "% of the label" if self.relative else " of the label"
        return f"within {100 * self.tolerance if self.relative else self.tolerance:g}{of}"

    def count_targets(self, width: int) -> int:
        """Return how many ways there are to be wrong: each of `width` values too large, or too small."""
        return 2 * width

    def refuse_labels(self, y: "NDArray[Any]") -> str:
        """Return why these labels, (n, k), cannot be judged; "" if they can."""
        import numpy as np

        if (rows := np.flatnonzero(~np.isfinite(y).any(1))).size:
            return f"{len(rows)} samples have no label at all, the first in row {rows[0]}; leave them out"
        if self.relative and (zero := int((y == 0).sum())):
            return f"{zero} labels are 0, of which no share is an error; give the tolerance in their units, as within:5"
        return ""

    def finite(self, output: "Tensor") -> "Tensor":
        """Mark the samples whose values are all finite, (n,) bool."""
        return output.flatten(1).isfinite().all(1)

    def accepts(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """Mark the samples all of whose known values are near enough, (n,) bool."""
        return self.margin(output, y) <= 0

    def margin(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """Return the largest absolute error beyond the tolerance, (n,)."""
        return (self._signed(output, y).abs() - self._limit(output, y)).amax(1)

    def score(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """Return the largest absolute error, (n,)."""
        return self._signed(output, y).abs().amax(1)

    def ranked_targets(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """Return the ways to be wrong, (n, 2k) int64, the nearest first: 2j is value j too large, 2j + 1 too small."""
        return self._sided(output, y).sort(dim=1, descending=True, stable=True).indices

    def halfspaces(self, y: "Tensor", width: int) -> "tuple[Tensor, Tensor]":
        """Return that each value is neither too large nor too small, (n, 2k, k) and (n, 2k)."""
        import torch

        labels = y.reshape(len(y), width).double()
        side = torch.eye(width).double() * ~labels.isnan()[:, :, None]
        limit, label = self._limit(labels, labels).nan_to_num(posinf=UNKNOWN), labels.nan_to_num()
        return torch.cat([-side, side], 1), torch.cat([limit + label, limit - label], 1)

    def loss(self, name: str, output: "Tensor", y: "Tensor", target: "Tensor | None" = None) -> "Tensor":
        """Return the margin, or as "ce" the squared error; with `target`, (n,) int64, how far one value is beyond."""
        if name not in self.losses:
            raise ValueError(f"the loss {name} is for classes; {self} has {' and '.join(self.losses)}")
        if target is not None:
            return self._sided(output, y).gather(1, target[:, None])[:, 0]
        return self.margin(output, y) if name == "margin" else self._signed(output, y).square().sum(1)

    def _signed(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """Return the errors, (n, k), and 0 where the label is not known."""
        labels = y.reshape(output.shape).to(output)
        return output.sub(labels).masked_fill(labels.isnan(), 0.0)

    def _limit(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """Return the largest acceptable absolute errors, (n, k); infinite where the label is not known."""
        labels = y.reshape(output.shape).to(output)
        limit = labels.abs() * self.tolerance if self.relative else labels.clone().fill_(self.tolerance)
        return limit.masked_fill(labels.isnan(), math.inf)

    def _sided(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """Return how far each value is too large, and too small, beyond the tolerance, (n, 2k)."""
        error, limit = self._signed(output, y), self._limit(output, y)
        return (error[..., None] * error.new_tensor([1.0, -1.0]) - limit[..., None]).flatten(1)
