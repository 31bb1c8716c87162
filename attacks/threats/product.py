"""Products of balls: of several inputs, each part that is named may move within a ball of its own; the rest is fixed.

Shapes: `x` and `x_adv` are (N, features), the parts of a sample one after the other: see layout.py. Lengths are shares
of each part's eps, so that eps is 1, and the size of a perturbation is the largest part's size over its eps.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from robust.attacks.grammar.product import PRODUCT, split_product
from robust.attacks.layout import Layout, are_several
from robust.attacks.rng import Rng
from robust.attacks.threats.lp import LpThreat


@dataclass(frozen=True)
class Product:
    """The inputs whose named parts are each within a ball around that of x, and whose other parts are those of x."""

    layout: Layout
    balls: dict[str, LpThreat]  # by the names of their parts, each with the bounds of its part
    norm: ClassVar[str] = PRODUCT
    eps: ClassVar[Fraction] = Fraction(1)
    keeps_missing: ClassVar[bool] = False

    @classmethod
    def parse(cls, text: str, layout: object, **bounds: tuple[float, float]) -> "Product":
        """Read "image=linf:8/255;meta=linf:0.1" for inputs of a layout; inputs themselves say theirs.

        The bounds of a part, as meta=(-3, 3), are 0 and 1 unless the layout says others. Raise ValueError, in one
        line, for what is no product, and for a part that there is not, or that is of whole numbers.
        """
        found = Layout.of(layout, bounds) if are_several(layout) else layout
        assert isinstance(found, Layout)
        if bounds and found is layout:
            found = found.bound(bounds)
        balls = {}
        for name, ball in split_product(text).items():
            try:
                part = found.find(name)
            except LookupError as error:
                raise ValueError(f"{text!r}: {error.args[0]}") from None
            if not part.is_float:
                why = f"is of whole numbers ({part.dtype}), which no ball is for; leave it out"
                raise ValueError(f"{text!r}: the part {name} {why}, for what is not named is fixed")
            if not part.size:
                raise ValueError(f"{text!r}: the part {name} is empty: nothing in it can change")
            try:
                balls[name] = LpThreat.parse(ball, part.lo, part.hi)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return cls(found, balls)

    def __str__(self) -> str:
        return ";".join(f"{name}={ball}" for name, ball in self.balls.items())

    def __hash__(self) -> int:
        return hash(str(self))

    @property
    def parts(self) -> "tuple[Product, ...]":
        """Return this threat model alone; unions have several parts."""
        return (self,)

    @property
    def lo(self) -> float:
        """Return the lowest bound of the parts that may move; each has its own."""
        return min(ball.lo for ball in self.balls.values())

    @property
    def hi(self) -> float:
        """Return the highest bound of the parts that may move."""
        return max(ball.hi for ball in self.balls.values())

    @property
    def negligible(self) -> float:
        """Return the distance that counts as none: the parts have no common unit."""
        return 0.0

    @cached_property
    def moving(self) -> Tensor:
        """Mark the numbers of a row that may move, (features,) bool."""
        marks = torch.zeros(self.layout.features, dtype=torch.bool)
        for name in self.balls:
            marks[self.layout.places[name]] = True
        return marks

    def check_inside(self, x: Tensor) -> None:
        """Raise ValueError if a part that may move leaves its bounds, or x has another width than the layout."""
        if x.dim() != 2 or x.shape[1] != self.layout.features:
            raise ValueError(
                f"the inputs have the shape {[*x.shape]}, expected (N, {self.layout.features}): {self.layout}"
            )
        for name, ball in self.balls.items():
            part = x[:, self.layout.places[name]]
            if len(x) and not (part.amin() >= ball.lo and part.amax() <= ball.hi):
                ranges = f"goes from {part.amin():g} to {part.amax():g}, its bounds are [{ball.lo:g}, {ball.hi:g}]"
                raise ValueError(f"the part {name} {ranges}; give those of the data, as {name}=(-1, 1), or scale it")

    def scale(self, times: float, x: Tensor) -> "Product":
        """Return the product of balls of so many times the radius, each at most that which holds all inputs."""
        return replace(self, balls={name: ball.scale(times, self._take(name, x)) for name, ball in self.balls.items()})

    def clip(self, x: Tensor) -> Tensor:
        """Return x with each part that may move within its bounds."""
        return self._each(x, lambda name, ball: ball.clip(self._take(name, x)))

    @cached_property
    def reaches(self) -> Tensor:
        """Return how far each number may go if all of its part go as far, (features,): 0 of those that are fixed."""
        found = torch.zeros(self.layout.features)
        for name, ball in self.balls.items():
            size = self.layout.find(name).size
            found[self.layout.places[name]] = float(ball.eps) / {"linf": 1.0, "l2": size**0.5, "l1": size}[ball.norm]
        return found

    def size(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Return the largest part's distance in shares of its eps, (N,); infinite where a fixed part differs."""
        sizes = [
            ball.size(self._take(name, x_adv), self._take(name, x)) / float(ball.eps)
            for name, ball in self.balls.items()
        ]
        size = torch.stack(sizes).amax(0)
        return torch.where(self._keeps_fixed(x_adv, x), size, torch.inf)

    def admits(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Mark the x_adv of which each part is in its ball and bounds, or as in x, (N,) bool."""
        inside = [ball.admits(self._take(name, x_adv), self._take(name, x)) for name, ball in self.balls.items()]
        return torch.stack(inside).all(0) & self._keeps_fixed(x_adv, x)

    def project(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Return the admitted input nearest to x_adv, part by part; fixed parts are those of x."""
        return self._each(x, lambda name, ball: ball.project(self._take(name, x_adv), self._take(name, x)))

    def step(self, x: Tensor, grad: Tensor, length: float | Tensor) -> Tensor:
        """Move each part by its ball's steepest ascent, `length` of its eps; `length` is a number or (N,)."""
        return self._each(
            x, lambda name, ball: ball.step(self._take(name, x), self._take(name, grad), length * float(ball.eps))
        )

    def advance(self, x: Tensor, grad: Tensor, clean: Tensor, length: float | Tensor, share: float | Tensor) -> Tensor:
        """Move as `step` does; a part of l1 goes `share` of the way to the corner of its ball around `clean`.

        Steepest steps of l1 and projections would spread what is gained over less useful numbers: see PGD.
        """
        way = torch.as_tensor(share, dtype=x.dtype, device=x.device).clamp_max(1).reshape(-1, 1)

        def move(name: str, ball: LpThreat) -> Tensor:
            now, slope, eps = self._take(name, x), self._take(name, grad), float(ball.eps)
            if ball.norm != "l1":
                return ball.step(now, slope, length * eps)
            return now.lerp(ball.step(self._take(name, clean), slope, eps), way)

        return self._each(x, move)

    def sample(self, x: Tensor, rng: Rng) -> Tensor:
        """Draw each part uniformly from its ball, and project it onto its bounds."""
        at = {name: k for k, name in enumerate(self.balls)}
        return self._each(x, lambda name, ball: ball.sample(self._take(name, x), rng.fold(at[name])))

    def settle(self, x_adv: Tensor, x: Tensor, held: Tensor) -> Tensor:
        """Return x_adv: nothing that is set back to x has to be made good elsewhere."""
        del x, held
        return x_adv

    @property
    def units(self) -> Tensor:
        """Return what may be set back together, (parts, features) bool: each part that may move."""
        marks = torch.zeros(len(self.balls), self.layout.features, dtype=torch.bool)
        for k, name in enumerate(self.balls):
            marks[k, self.layout.places[name]] = True
        return marks

    def _take(self, name: str, rows: Tensor) -> Tensor:
        """Return the numbers of a part, (N, size)."""
        return rows[:, self.layout.places[name]]

    def _each(self, x: Tensor, change: Callable[[str, LpThreat], Tensor]) -> Tensor:
        """Return x with each part that may move replaced by `change` of its name and ball."""
        moved = x.clone()
        for name, ball in self.balls.items():
            moved[:, self.layout.places[name]] = change(name, ball)
        return moved

    def _keeps_fixed(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Mark the inputs whose fixed parts are as they were, (N,) bool."""
        fixed = ~self.moving.to(x.device)
        same = (x_adv == x) | (x_adv.isnan() & x.isnan())
        return (same | ~fixed).all(1)
