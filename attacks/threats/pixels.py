"""A few pixels of an image, which may take any values (`l0:20`).

Shapes: `x` and `x_adv` are (N, *features). The last two axes are the image, those before them its channels, which count
as one pixel; of a vector each value is a pixel. Lengths are shares of the number of pixels that may change.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import torch
from torch import Tensor

from robust.attacks.grammar.pixels import PIXELS, parse_pixels
from robust.attacks.rng import Rng


def by_pixel(x: Tensor) -> Tensor:
    """Return x, (N, *features), as (N, channels, pixels)."""
    image = x.shape[1:][-2:]
    return x.reshape(len(x), math.prod(x.shape[1 : -len(image)]), math.prod(image))


def mark_largest(scores: Tensor, count: int | Tensor) -> Tensor:
    """Mark the `count` largest scores of each row, (N, pixels) bool; `count` is a number, or (N,)."""
    none = torch.zeros_like(scores, dtype=torch.bool)
    if isinstance(count, int):  # a fifth of the time of a whole sort, and a search by queries has little else to do
        return none.scatter(1, scores.topk(min(count, scores.shape[1]), dim=1).indices, True)
    order = scores.argsort(dim=1, descending=True, stable=True)
    rank = torch.arange(scores.shape[1], device=scores.device).expand_as(scores)
    return none.scatter(1, order, rank < count[:, None])


@dataclass(frozen=True, slots=True)
class PixelThreat:
    """The inputs within the bounds that differ from x in at most `count` pixels."""

    count: int
    lo: float = 0.0
    hi: float = 1.0
    norm: ClassVar[str] = PIXELS
    eps: ClassVar[Fraction] = Fraction(1)
    keeps_missing: ClassVar[bool] = False
    negligible: ClassVar[float] = 0.0  # a pixel that changed at all has changed

    def __post_init__(self) -> None:
        parse_pixels(str(self))
        if not self.lo < self.hi:
            raise ValueError(f"the lower bound must be below the upper, got lo={self.lo}, hi={self.hi}")

    @classmethod
    def parse(cls, text: str, lo: float = 0.0, hi: float = 1.0) -> "PixelThreat":
        """Read "l0:20" for inputs in [lo, hi]; raise ValueError, in one line, for anything else."""
        if text.strip().partition(":")[0] != PIXELS:
            raise ValueError(f"{text!r}: write l0:K, the number of pixels that may change, as l0:20")
        return cls(parse_pixels(text), lo, hi)

    def __str__(self) -> str:
        return f"{PIXELS}:{self.count}"

    @property
    def parts(self) -> "tuple[PixelThreat, ...]":
        """Return this threat model alone; unions have several parts."""
        return (self,)

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError if all pixels of inputs of this shape may change: then no model is robust."""
        if self.count >= (pixels := math.prod(shape[-2:])):
            raise ValueError(f"{self} lets all {pixels} pixels change, so no model is robust; take fewer, as l0:1")

    def clip(self, x: Tensor) -> Tensor:
        """Return x within the bounds."""
        return x.clamp(self.lo, self.hi)

    def size(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Return how many pixels differ, (N,)."""
        return (by_pixel(x_adv) != by_pixel(x)).any(1).sum(1).to(x)

    def admits(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Mark the x_adv within the bounds that differ in few enough pixels, (N,) bool."""
        inside = (x_adv >= self.lo) & (x_adv <= self.hi)
        return inside.flatten(1).all(1) & ((by_pixel(x_adv) != by_pixel(x)).any(1).sum(1) <= self.count)

    def project(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Return the admitted input nearest to x_adv in l2: the pixels that changed most stay, within the bounds."""
        inside = x_adv.clamp(self.lo, self.hi)
        apart = by_pixel(inside - x).square().sum(1)
        return self._keep(mark_largest(apart, self.count), inside, x)

    def step(self, x: Tensor, grad: Tensor, length: float | Tensor) -> Tensor:
        """Move x to the argmax of <grad, d> over d in the box that changes the share `length` of the pixels.

        Those with the largest gains go to the edge of the box; none of which the gradient says nothing. `length` is a
        number, or (N,).
        """
        edge = self.edge(x, grad)
        gains = by_pixel(grad * (edge - x)).sum(1)
        return self._keep(mark_largest(gains, self._few(length)) & (gains > 0), edge, x)

    def advance(self, x: Tensor, grad: Tensor, clean: Tensor, length: float | Tensor, share: float | Tensor) -> Tensor:
        """Exchange pixels of x for others where the gradient says that pays, the share `share` of the count at most.

        What a pixel is worth is its part of <grad, x - clean>; the pixels that take its place go to the edge of the
        box. Pixels that stay go there, too, by the same number: those that gain most.
        """
        del length
        edge = self.edge(clean, grad)
        worth, best = (by_pixel(grad * (end - clean)).sum(1) for end in (x, edge))
        changed, few = (by_pixel(x) != by_pixel(clean)).any(1), self._few(share)
        wanted = torch.where(changed, worth, best)  # of those that stay as they are, and of those that come
        allowed = changed | mark_largest(best.masked_fill(changed, -torch.inf), few)
        kept = mark_largest(wanted.masked_fill(~allowed, -torch.inf), self.count) & allowed & (changed | (best > 0))
        turned = mark_largest((best - worth).masked_fill(~(kept & changed), -torch.inf), few) & (best > worth)
        moved = self._keep(kept & (turned | ~changed), edge, x)
        return self._keep(kept, moved, clean)

    def edge(self, x: Tensor, grad: Tensor) -> Tensor:
        """Return the corner of the box to which the gradient points; x where it is 0."""
        return torch.where(grad > 0, self.hi, torch.where(grad < 0, self.lo, x))

    def sample(self, x: Tensor, rng: Rng) -> Tensor:
        """Draw which pixels change, and their values uniformly within the bounds."""
        drawn = self.lo + (self.hi - self.lo) * rng.fold(1).uniform(x)
        return self._keep(mark_largest(rng.fold(0).uniform(by_pixel(x)[:, 0]), self.count), drawn, x)

    def _few(self, share: float | Tensor) -> int | Tensor:
        """Return the number of pixels that are this share of those that may change, at least 1."""
        if isinstance(share, Tensor):
            return (share * self.count).round().long().clamp(1, self.count)
        return min(max(round(share * self.count), 1), self.count)

    def _keep(self, which: Tensor, x_adv: Tensor, x: Tensor) -> Tensor:
        """Return x_adv in the pixels of the mask, (N, pixels) bool, and x in all others."""
        return torch.where(which[:, None], by_pixel(x_adv), by_pixel(x)).reshape(x.shape)


def of_pixels(threat: object) -> PixelThreat:
    """Return a threat model that an attack for pixels alone gets."""
    assert isinstance(threat, PixelThreat)
    return threat
