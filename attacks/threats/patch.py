"""Patches: all values within one window of an image may change, wherever the window lies (`patch:5x5`).

Shapes: `x` and `x_adv` are (N, *channels, rows, columns). Lengths are shares of the width of the bounds, so that eps is
1: a step of that length takes every value of a window to a bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import torch
from torch import Tensor

from robust.attacks.geometry import per_sample
from robust.attacks.grammar.patch import PATCH, PatchSize, parse_patch
from robust.attacks.grammar.universal import UNIVERSAL, is_universal, strip_option
from robust.attacks.rng import Rng
from robust.attacks.threats.windows import Size, count_places, find_best, mark_window, over_channels, span


def of_patch(threat: object) -> "PatchThreat":
    """Return a threat model that an attack for patches alone gets."""
    assert isinstance(threat, PatchThreat)
    return threat


@dataclass(frozen=True, slots=True)
class PatchThreat:
    """The inputs within the bounds that differ from x in one window of this size at most."""

    patch: PatchSize
    lo: float = 0.0
    hi: float = 1.0
    universal: bool = False  # whether one patch serves all inputs, which no sample shows alone
    eps: ClassVar[Fraction] = Fraction(1)
    keeps_missing: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.lo < self.hi:
            raise ValueError(f"the lower bound must be below the upper, got lo={self.lo}, hi={self.hi}")

    @classmethod
    def parse(cls, text: str, lo: float = 0.0, hi: float = 1.0) -> "PatchThreat":
        """Read "patch:5x5", "patch:20%x20%" or "patch:2%", also with ":universal=true", for inputs in [lo, hi].

        ValueError for anything else.
        """
        return cls(parse_patch(strip_option(text)), lo, hi, is_universal(text))

    def __str__(self) -> str:
        return f"{PATCH}:{self.patch}{':universal=true' * self.universal}"

    @property
    def norm(self) -> str:
        """Return the family, by which attacks and stages say what they are for."""
        return UNIVERSAL if self.universal else PATCH

    @property
    def parts(self) -> "tuple[PatchThreat, ...]":
        """Return this threat model alone; unions have several parts."""
        return (self,)

    @property
    def negligible(self) -> float:
        """Return the distance that counts as none: a pixel outside the window is equal bit for bit."""
        return 0.0

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise ValueError for inputs of a shape, (*channels, rows, columns), that a patch cannot be on."""
        self.patch.fit_shape(shape)

    def fit(self, x: Tensor) -> Size:
        """Return (height, width) of the window in pixels; ValueError for inputs that are no images, or too small."""
        return self.patch.fit_shape(x.shape[1:])

    def clip(self, x: Tensor) -> Tensor:
        """Return x within the bounds."""
        return x.clamp(self.lo, self.hi)

    def admits(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Mark the x_adv within the bounds whose changes lie in one window, (N,) bool."""
        height, width = self.fit(x)
        inside = ((x_adv >= self.lo) & (x_adv <= self.hi)).flatten(1).all(1)
        tall, wide = span(over_channels((x_adv != x).to(x)) > 0)
        return inside & (tall <= height) & (wide <= width)

    def project(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Return the admitted input nearest to x_adv in l2: the window with the largest change stays, the rest is x."""
        moved = self.clip(x_adv)
        return self.paste(moved, x, find_best(over_channels((moved - x).square()), self.fit(x)))

    def paste(self, moved: Tensor, x: Tensor, place: Tensor) -> Tensor:
        """Return x with the windows at these places, (N,) int64, from `moved`."""
        return torch.where(mark_window(x, place, self.fit(x)), moved, x)

    def step(self, x: Tensor, grad: Tensor, length: float | Tensor) -> Tensor:
        """Move one window of the clean x by the signs of the gradient, as far as `length` and the bounds allow.

        It is the window with the largest <grad, d>, which solves this exactly. `length` is a number or (N,).
        """
        return self.advance(x, grad, x, length)

    def advance(
        self, x: Tensor, grad: Tensor, clean: Tensor, length: float | Tensor, share: float | Tensor = 0.0
    ) -> Tensor:
        """Return an admitted input after a step from the admitted x: all of its window moves, and the window may.

        What the window leaves is clean again, and what it gains moves for the first time: of all windows it is that
        whose values, after a step of `length` each, gain most over the clean ones by the gradient. So a patch slides
        to where it is worth more (2005.02313). `share` is for other families.
        """
        del share
        reach = (self.hi - self.lo) * (per_sample(length, x) if isinstance(length, Tensor) else length)
        moved = self.clip(x + reach * grad.sign())
        return self.paste(moved, clean, find_best(over_channels(grad * (moved - clean)), self.fit(x)))

    def draw_places(self, x: Tensor, rng: Rng) -> Tensor:
        """Draw a place for each window, (N,) int64."""
        places = count_places(x, self.fit(x))
        share = rng.uniform(torch.zeros(len(x), 1, device=x.device))[:, 0]
        return (share * places).long().clamp_max(places - 1)

    def sample(self, x: Tensor, rng: Rng) -> Tensor:
        """Draw a window, and each value in it uniformly within the bounds."""
        values = self.clip(self.lo + (self.hi - self.lo) * rng.fold(1).uniform(x))
        return self.paste(values, x, self.draw_places(x, rng))
