"""Threat models that transform: the model gets T(x, theta), where theta is a few numbers of each sample.

Attacks search a cube. In a lifted task an iterate is a row: a point of [-1, 1]^k, and the clean x behind it, under a
product of which only the point may move. So whatever attacks one of several inputs, along gradients or without,
searches theta as well; the task shows the model T(x, theta) in place of the row, and the driver notes both.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from robust.attacks.layout import InputPart, Layout
from robust.attacks.rng import Rng
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.product import Product

WIDTH = 4  # numbers of a theta, whatever the family: NaN where it has fewer, and of what no theta made
POINT, CLEAN = "point", "x"  # the parts of a row


class Transform(ABC):
    """The inputs T(x, theta) for each theta that the threat model allows. One family a subclass, which is final."""

    norm: ClassVar[str]  # the family
    keeps_missing: ClassVar[bool] = False
    negligible: ClassVar[float] = 0.0  # the distance that counts as none: there is no unit
    lo: float  # the bounds of the inputs
    hi: float

    @property
    @abstractmethod
    def dimensions(self) -> int:
        """Return k, how many numbers an attack searches."""

    @abstractmethod
    def settle(self, point: Tensor, x: Tensor) -> Tensor:
        """Return theta, (n, WIDTH) float32, of a point, (n, k) in [-1, 1]; NaN behind the family's own numbers.

        Every point has one. It is differentiable where gradients are to be followed.
        """

    @abstractmethod
    def grid(self, most: int) -> Tensor:
        """Return at most so many points, (m, k) in [-1, 1], that cover the cube evenly, in a random order."""

    @abstractmethod
    def apply(self, x: Tensor, theta: Tensor) -> Tensor:
        """Return T(x, theta), of the shape and the type of x, (n, *features), within the bounds."""

    @abstractmethod
    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError, in one line, for an input of this shape, without the batch, that T does not take."""

    @property
    def parts(self) -> "tuple[Transform, ...]":
        """Return this threat model alone; unions have several parts."""
        return (self,)

    def sample(self, x: Tensor, rng: Rng) -> Tensor:
        """Draw T(x, theta) of a point that is uniform in the cube, for every x, (N, *features)."""
        point = 2 * rng.uniform(x.new_zeros(len(x), self.dimensions)) - 1
        return self.apply(x, self.settle(point, x))

    def admits(self, x_adv: Tensor, x: Tensor, theta: Tensor | None = None) -> Tensor:
        """Mark the x_adv that are x, or T(x, theta), (N,) bool; theta is (N, WIDTH), without which none is searched."""
        same = (x_adv == x).flatten(1).all(1)
        if theta is None:
            return same
        made = self.apply(x, theta.nan_to_num(0.0))
        return same | ((made == x_adv).flatten(1).all(1) & theta.isfinite().any(1))


def transforms(threat: object) -> bool:
    """Whether a part of a threat model transforms, so that what it finds has a theta."""
    return any(isinstance(part, Transform) for part in getattr(threat, "parts", ()))


@dataclass(frozen=True)
class Lifted(Product):
    """The rows of a lifted task: the point may move within the cube, x behind it may not."""

    transform: Transform

    @classmethod
    def over(cls, transform: Transform, x: Tensor) -> "Lifted":
        """Return the rows that a transform admits in place of the x, (n, *features)."""
        transform.check_shape(tuple(x.shape[1:]))
        cube = InputPart(POINT, (transform.dimensions,), lo=-1.0, hi=1.0)
        layout = Layout((cube, InputPart(CLEAN, tuple(x.shape[1:]), lo=transform.lo, hi=transform.hi)))
        return cls(layout, {POINT: LpThreat.parse("linf:1", -1.0, 1.0)}, transform)

    def __str__(self) -> str:
        return str(self.transform)

    def __hash__(self) -> int:
        return hash(str(self))

    def lift(self, x: Tensor) -> Tensor:
        """Return x, (n, *features), as rows whose point is the cube's centre."""
        return torch.cat([x.new_zeros(len(x), self.transform.dimensions), x.flatten(1)], 1)

    def put(self, rows: Tensor, point: Tensor) -> Tensor:
        """Return the rows with this point, (k,) or (n, k)."""
        moved = rows.clone()
        moved[:, self.layout.places[POINT]] = point.to(rows)
        return moved

    def theta(self, rows: Tensor) -> Tensor:
        """Return the theta of rows, (n, WIDTH)."""
        parts = self.layout.unpack(rows)
        return self.transform.settle(parts[POINT], parts[CLEAN])

    def show(self, rows: Tensor) -> Tensor:
        """Return T(x, theta) of rows, (n, *features). No gradient flows into x: it is fixed."""
        x = self.layout.unpack(rows)[CLEAN].detach()
        return self.transform.apply(x, self.theta(rows))
