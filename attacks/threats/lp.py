"""Balls of the norms linf, l2 and l1 around x, within the bounds of the inputs. The geometry is in geometry.py.

Shapes: `x` and `x_adv` are (N, *features) of any rank; sizes and verdicts are (N,).
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, cast

import torch
from torch import Tensor

from robust.attacks.geometry import Norm, dual, laplace, length_of, onto_l1, to_plane
from robust.attacks.grammar.norms import parse_threat, threat_text
from robust.attacks.rng import Rng

MAX_ROUNDING = 1e-6  # of the width of the bounds; a smaller distance counts as rounding


@dataclass(frozen=True, slots=True)
class LpThreat:
    """The inputs x' with ||x' - x|| <= eps in the given norm, and lo <= x' <= hi in every feature.

    The results of `project` and `sample` are inside exactly, judged in float64: they keep a distance from the edge that
    covers the rounding errors of their type.
    """

    norm: Norm
    eps: Fraction  # in the units of x; a Fraction, so that "linf:8/255" comes back as written
    lo: float = 0.0
    hi: float = 1.0
    keeps_missing: ClassVar[bool] = False

    def __post_init__(self) -> None:
        norm, eps = parse_threat(f"{self.norm}:{self.eps}")  # it checks both
        object.__setattr__(self, "eps", eps)
        if not self.lo < self.hi:
            raise ValueError(f"the lower bound must be below the upper, got lo={self.lo}, hi={self.hi}")
        if norm == "linf" and eps > self.hi - self.lo:
            hint = f"; did you mean linf:{eps}/255?" if eps.denominator == 1 and eps < 255 else ""
            raise ValueError(f"linf:{eps} is wider than the inputs' range [{self.lo:g}, {self.hi:g}]{hint}")

    @classmethod
    def parse(cls, text: str, lo: float = 0.0, hi: float = 1.0) -> "LpThreat":
        """Read "linf:8/255", "l2:0.5" or "l1:12" for inputs in [lo, hi]; raise ValueError, in one line, for others."""
        norm, eps = parse_threat(text)
        return cls(cast(Norm, norm), eps, lo, hi)

    @classmethod
    def widest(cls, norm: Norm, x: Tensor, lo: float = 0.0, hi: float = 1.0) -> "LpThreat":
        """Return the ball that holds all inputs within the bounds, of the shape of `x`, (N, *features)."""
        features = math.prod(x.shape[1:])
        across = {"linf": 1.0, "l2": math.sqrt(features), "l1": float(features)}[norm]
        return cls(norm, Fraction(across * (hi - lo)), lo, hi)

    def __str__(self) -> str:
        return threat_text(self.norm, self.eps)

    @property
    def parts(self) -> "tuple[LpThreat, ...]":
        """Return this ball alone; unions have several parts."""
        return (self,)

    @property
    def negligible(self) -> float:
        """Return the distance from x, or from a bound, that counts as none: it may come from rounding."""
        return MAX_ROUNDING * (self.hi - self.lo)

    def scale(self, times: float, x: Tensor) -> "LpThreat":
        """Return the ball of so many times the radius, at most that which holds all inputs of the shape of x."""
        widest = self.widest(self.norm, x, self.lo, self.hi)
        eps = Fraction(times) * self.eps if math.isfinite(times) else widest.eps
        return LpThreat(self.norm, min(eps, widest.eps), self.lo, self.hi)

    def clip(self, x: Tensor) -> Tensor:
        """Return x within the bounds."""
        return x.clamp(self.lo, self.hi)

    def size(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Return ||x_adv - x|| in the norm, (N,)."""
        return length_of(self.norm, (x_adv - x).flatten(1))

    def admits(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Mark the x_adv within the ball and the bounds, (N,) bool, computed in float64."""
        inside = (x_adv >= self.lo) & (x_adv <= self.hi)
        where = "cpu" if x.device.type == "mps" else x.device  # Apple's GPUs know no float64
        size = self.size(x_adv.to(where, torch.float64), x.to(where, torch.float64))
        return inside.flatten(1).all(1) & (size <= float(self.eps)).to(x.device)

    def project(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Return the admitted input nearest to x_adv in l2; for an l2 ball the nearest in the ball, then in the box."""
        threshold, radius = self._inner(x)
        d = (x_adv - x).flatten(1)
        if self.norm == "linf":
            d = d.clamp_(-radius, radius)
        elif self.norm == "l2":
            length = length_of("l2", d)[:, None]
            d = d.mul_(torch.where(length > threshold, radius / length, torch.ones_like(length)))
        else:
            longer = length_of("l1", d)[:, None] > threshold
            d = torch.where(longer, onto_l1(d, self._room(x.flatten(1), d), radius), d)
        return d.view_as(x).add_(x).clamp_(self.lo, self.hi)

    def shrink(self, x_adv: Tensor, x: Tensor, radius: Tensor) -> Tensor:
        """Project x_adv onto the ball of each sample's `radius`, (N,), and the box; rounding may lead just outside."""
        d, radius = (x_adv - x).flatten(1), radius[:, None]
        if self.norm == "linf":
            d = d.clamp(-radius, radius)
        elif self.norm == "l2":
            d = d * (radius / length_of("l2", d)[:, None].clamp_min(torch.finfo(d.dtype).tiny)).clamp_max(1)
        else:
            longer = length_of("l1", d)[:, None] > radius
            d = torch.where(longer, onto_l1(d, self._room(x.flatten(1), d), radius), d)
        return (x + d.view_as(x)).clamp(self.lo, self.hi)

    def dual(self, grad: Tensor) -> Tensor:
        """Return the dual norm of a gradient, (N,): the most that a perturbation of length 1 can gain."""
        return dual(self.norm, grad.flatten(1))

    def to_plane(self, x: Tensor, slope: Tensor, gap: Tensor) -> Tensor:
        """Move x by the shortest d in this norm, within the box, with <slope, d> = gap; gap is (N,), of either sign.

        If the box is too small for that, move x as far as it allows.
        """
        flat, g = x.flatten(1), slope.flatten(1) * torch.where(gap < 0, -1, 1)[:, None]
        move = to_plane(self.norm, g.abs(), self._room(flat, g), gap.abs()[:, None])
        return (x + (g.sign() * move).view_as(x)).clamp(self.lo, self.hi)

    def step(self, x: Tensor, grad: Tensor, length: float | Tensor) -> Tensor:
        """Move x by argmax of <grad, d> over ||d|| <= length, the steepest ascent in this norm.

        `length` is a number, or (N,). For linf and l2 the result may leave the box and the ball; `project` ends a step.
        For l1 the maximiser moves one coordinate, which soon reaches the edge of the box, so there the box is part of
        the problem: coordinates are moved to the edge in the order of their gradient, which solves it exactly.
        """
        g = grad.flatten(1)
        length = length[:, None] if isinstance(length, Tensor) else length
        if self.norm == "linf":
            d = g.sign().mul_(length)
        elif self.norm == "l2":
            d = g * (length / length_of("l2", g).clamp_min(torch.finfo(g.dtype).tiny)[:, None])
        else:
            d = self._fill(x.flatten(1), g, length)
        return d.view_as(x).add_(x)  # in place, here and in project: memory for a large batch costs more than the sum

    def sparse_step(self, x: Tensor, grad: Tensor, length: float | Tensor, share: float | Tensor) -> Tensor:
        """Move x by `length` in l1, by the same amount in each of the coordinates with the largest gradients.

        `length`, and `share` of the coordinates, are numbers or (N,). The steepest step would move one coordinate;
        several gain more where the loss is curved (Tramer and Boneh 2019, 1904.13000). Coordinates at the edge of the
        box are left out.
        """
        flat, g = x.flatten(1), grad.flatten(1)
        size = g.abs() * (self._room(flat, g) > self.negligible)
        count = torch.as_tensor(share * g.shape[1], device=x.device).long().clamp(1, g.shape[1]).expand(len(x))
        threshold = size.sort(dim=1, descending=True).values.gather(1, count[:, None] - 1)
        signs = g.sign() * ((size >= threshold) & (size > 0))
        amount = torch.as_tensor(length).to(x) / signs.abs().sum(1).clamp_min(1)
        return x + (signs * amount[:, None]).view_as(x)

    def sample(self, x: Tensor, rng: Rng) -> Tensor:
        """Draw a point uniformly from the ball around every x, and project it onto the box."""
        like = x.flatten(1)
        if self.norm == "linf":
            d = 2 * rng.uniform(like) - 1
        else:
            d = rng.normal(like) if self.norm == "l2" else laplace(rng, like)
            share = rng.fold(2).uniform(like[:, :1]) ** (1 / like.shape[1])  # of the volume, so uniform in the ball
            d = d * share / length_of(self.norm, d)[:, None]
        return self.project(x + float(self.eps) * d.view_as(x), x)

    def reach(self, x: Tensor) -> float | Tensor:
        """Return the length to which `project` shortens: eps, less what rounding can add to it."""
        return self._inner(x)[1]

    def _inner(self, x: Tensor) -> tuple[float, float]:
        """Return (the length from which to project, the length to project to).

        Both are below eps by more than the rounding of x + d can add to the length. Raise ValueError if eps is so small
        that rounding matters.
        """
        features = math.prod(x.shape[1:])
        per_feature = torch.finfo(x.dtype).eps / 2 * max(abs(self.lo), abs(self.hi))
        factor = {"linf": 1.0, "l2": math.sqrt(features), "l1": float(features)}[self.norm]
        eps = float(self.eps)
        margin = per_feature * factor + 4 * torch.finfo(x.dtype).eps * eps
        if margin > eps / 20:
            raise ValueError(f"{self} is too small for inputs of type {x.dtype} with {features} features: they round")
        return eps - margin, eps - 2 * margin

    def _room(self, x: Tensor, d: Tensor) -> Tensor:
        """Return how far each feature of x, (N, features), can move in the direction of d within the box."""
        return torch.where(d > 0, self.hi - x, x - self.lo).clamp_min(0)

    def _fill(self, x: Tensor, g: Tensor, length: float | Tensor) -> Tensor:
        """Return the perturbation of l1 length `length` with the largest <g, d> in the box, all (N, features)."""
        room = self._room(x, g) * (g != 0)
        order = g.abs().argsort(dim=1, descending=True)
        room = room.gather(1, order)
        used = room.cumsum(1) - room  # by the coordinates before this one
        move = torch.minimum((length - used).clamp_min(0), room)
        return torch.zeros_like(x).scatter(1, order, move) * g.sign()
