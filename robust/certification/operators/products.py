"""Products of two values of the network: elementwise, or of matrices. Each product lies between McCormick's planes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from robust.certification.operators.operator import Call, Interval, flat
from robust.certification.operators.rounding import EXTRA

BILINEAR = ("mul", "matmul", "bmm", "mm")


@dataclass(frozen=True)
class Product:
    """A function that is linear in each of two values."""

    call: Call
    affine: bool = field(default=False, init=False)

    def value(self, *values: Tensor) -> Tensor:
        """Return the value, (n, 1, ...), for values of n samples."""
        return torch.vmap(self.call)(*values)

    def interval(self, *sources: Interval) -> Interval:
        """Return bounds of the value: the corners of numbers; of matrices middle and reach, multiplied out."""
        if self.call.name == "mul":
            corners = torch.stack([self.value(x, y) for x in sources[0] for y in sources[1]])
            return Interval(corners.amin(0), corners.amax(0)).widen()
        (cx, rx), (cy, ry) = (((each.lo + each.hi) / 2, (each.hi - each.lo) / 2) for each in sources)
        middle = self.value(cx, cy)
        reach = self.value(cx.abs(), ry) + self.value(rx, cy.abs()) + self.value(rx, ry)
        return Interval(middle - reach, middle + reach).widen()

    def relax(self, *sources: Interval) -> "ProductLines":
        """Return the planes for sources within these bounds."""
        return ProductLines(self, *sources)

    def rounding(self, *sources: Interval) -> tuple[float, Tensor | float]:
        """Return how much is rounded: each sum as often as it has terms."""
        terms = 1 if self.call.name == "mul" else sources[0].lo.shape[-1]
        return terms + EXTRA, self.value(*(each.size() for each in sources))

    def undecided(self, *sources: Interval) -> Sequence[Tensor]:
        """Mark what is not a point."""
        return [each.hi > each.lo for each in sources]


@dataclass(frozen=True)
class ProductLines:
    """The planes xy >= ly x + lx y - lx ly and xy <= uy x + lx y - lx uy, with the bounds l and u of x and y."""

    of: Product
    x: Interval
    y: Interval

    def back(self, a: Tensor) -> tuple[Sequence[Tensor], Tensor]:
        """Return coefficients and constants; see `Lines`."""
        b = max(len(a), len(self.x.lo))
        a = a.expand(b, *a.shape[1:])
        positive, negative = a.clamp_min(0), a.clamp_max(0)
        lx, ly, uy = self.x.lo, self.y.lo, self.y.hi
        of_x = self._pull(positive, lx, ly, 0) + self._pull(negative, lx, uy, 0)
        of_y = self._pull(a, lx, ly, 1)
        constant = positive * self.of.value(lx, ly).unsqueeze(1) + negative * self.of.value(lx, uy).unsqueeze(1)
        return [of_x, of_y], -flat(constant, 2).sum(2)

    def _pull(self, rows: Tensor, x: Tensor, y: Tensor, which: int) -> Tensor:
        """Return rows times the derivative by one of the two values, at (x, y), (b, k, 1, ...)."""

        def one(row: Tensor, x: Tensor, y: Tensor) -> Tensor:
            part: Tensor = torch.func.vjp(self.of.call, x, y)[1](row)[which]
            return part

        of_sample = torch.vmap(one, in_dims=(0, None, None))
        return torch.vmap(of_sample)(rows, x, y)
