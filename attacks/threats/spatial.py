"""Images that are turned, moved and enlarged: `spatial:rotate=A:translate=T:scale=S` (Engstrom et al., 1712.02779).

Shapes: x is (N, channels, height, width). theta is (N, 4): the angle in degrees, counter-clockwise as seen; how far the
image goes to the right and down, in pixels; and how many times it is enlarged, about its centre, before that.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from robust.attacks.grammar.spatial import SPATIAL, Limits, parse_spatial
from robust.attacks.threats.transform import Transform

ANGLES = 6  # of a grid for each other value, as in 1712.02779: 31 angles, and 5 ways along each axis
PADDING = {"zeros": "zeros", "border": "border", "reflect": "reflection"}


@dataclass(frozen=True)
class SpatialThreat(Transform):
    """The images turned by an angle, moved along each axis and enlarged, each within its limit."""

    limits: Limits
    lo: float = 0.0
    hi: float = 1.0
    norm: ClassVar[str] = SPATIAL

    @classmethod
    def parse(cls, text: str, lo: float = 0.0, hi: float = 1.0) -> "SpatialThreat":
        """Read "spatial:rotate=30:translate=3" for images in [lo, hi]; raise ValueError, in one line, for others."""
        return cls(parse_spatial(text), lo, hi)

    def __str__(self) -> str:
        return str(self.limits)

    @property
    def moves(self) -> tuple[bool, bool, bool, bool]:
        """Return which numbers of theta may change: angle, right, down, enlargement."""
        moved = self.limits.translate > 0
        return self.limits.rotate > 0, moved, moved, self.limits.scale > 1

    @property
    def dimensions(self) -> int:
        """Return how many numbers an attack searches: those that may change."""
        return sum(self.moves)

    def reach(self, shape: tuple[int, ...]) -> tuple[float, float, float]:
        """Return the largest (angle, way to the right, way down) for images of a shape, (channels, height, width)."""
        height, width = shape[-2:]
        way = float(self.limits.translate)
        right, down = (way * width, way * height) if self.limits.percent else (way, way)
        return float(self.limits.rotate), right, down

    def settle(self, point: Tensor, x: Tensor) -> Tensor:
        """Return theta, (n, 4) float32, of points, (n, dimensions) in [-1, 1]; an enlargement is a power."""
        places = torch.tensor(self.moves).cumsum(0) - 1
        angle, right, down, zoom = (
            point[:, int(places[k])].float() if moves else point.new_zeros(len(point), dtype=torch.float32)
            for k, moves in enumerate(self.moves)
        )
        turn, far_right, far_down = self.reach(tuple(x.shape))
        enlarged = torch.exp(zoom * math.log(self.limits.scale))
        return torch.stack([angle * turn, right * far_right, down * far_down, enlarged], 1)

    def grid(self, most: int) -> Tensor:
        """Return an even grid with the ends and the centre, (m, dimensions): about six angles for each other value."""
        fine = ANGLES if self.limits.rotate else 1
        others = self.dimensions - (fine > 1)
        each = max(3, round_odd((most / fine) ** (1 / self.dimensions)))
        axes = [torch.linspace(-1, 1, each)] * others
        if fine > 1:
            axes.insert(0, torch.linspace(-1, 1, max(3, round_odd(most / each**others))))
        points = torch.cartesian_prod(*axes).reshape(-1, self.dimensions)
        return points[torch.randperm(len(points), generator=torch.Generator().manual_seed(0))][:most]

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError, in one line, unless inputs are images, (channels, height, width)."""
        if len(shape) != 3:
            raise ValueError(f"{self} is for images of shape (channels, height, width), an input has {[*shape]}")
        sides = zip(("wide", "high"), self.reach(shape)[1:], (shape[2], shape[1]), strict=True)
        for name, way, side in sides:
            if way > side:
                raise ValueError(f"{self} moves an image by up to {way:g} pixels, and it is {side} {name}")

    def apply(self, x: Tensor, theta: Tensor) -> Tensor:
        """Return the images as theta says, (n, channels, height, width), in the type of x.

        Where and between which pixels is computed in float64: in float32 the result would be off by 1e-4 in a large
        image.
        """
        exact = torch.float32 if x.device.type == "mps" else torch.float64  # Apple's GPUs know no float64
        fill = min(max(0.0, self.lo), self.hi)
        place = _place(theta.to(exact), *x.shape[-2:])
        mode, padding = self.limits.interpolation, PADDING[self.limits.padding]
        made = F.grid_sample(x.to(exact) - fill, place, mode, padding, align_corners=False) + fill
        return made.to(x.dtype).clamp(self.lo, self.hi)


def round_odd(number: float) -> int:
    """Return the largest odd number that is not above."""
    return 2 * int((number + 1 + 1e-9) // 2) - 1


def _place(theta: Tensor, height: int, width: int) -> Tensor:
    """Return where each pixel of the result comes from, (n, height, width, 2), from -1 to 1 as grid_sample reads it."""
    angle, right, down, enlarged = (number[:, None, None] for number in theta.unbind(1))
    angle = torch.deg2rad(angle)
    rows = torch.arange(height, dtype=theta.dtype, device=theta.device)[:, None] - (height - 1) / 2 - down
    columns = torch.arange(width, dtype=theta.dtype, device=theta.device) - (width - 1) / 2 - right
    across = (angle.cos() * columns - angle.sin() * rows) / enlarged
    along = (angle.sin() * columns + angle.cos() * rows) / enlarged
    return torch.stack([2 * across / width, 2 * along / height], 3)
