"""Threat models: what an attacker may hand the model in place of x. Every norm-specific line of the project is here.

Shapes: `x` and `x_adv` are (N, *features) of any rank; sizes and verdicts are (N,).
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol, cast

import torch
from torch import Tensor

from robust.attacks.rng import Rng
from robust.attacks.spec import parse_threat, threat_text

Norm = Literal["linf", "l2", "l1"]


class Threat(Protocol):
    """A set of inputs around every x. `str` of a threat is its canonical spelling."""

    def sample(self, x: Tensor, rng: Rng) -> Tensor:
        """A random admitted input for every x."""
        ...

    def admits(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Whether an attacker may present `x_adv` in place of `x`: (N,) bool, False where anything is not finite."""
        ...


@dataclass(frozen=True, slots=True)
class LpThreat:
    """||x' - x|| <= eps in the given norm, and lo <= x' <= hi in every feature.

    What `project` and `sample` return is inside exactly, judged in float64: they keep away from the edge by the few
    roundings that an input of their type may suffer.
    """

    norm: Norm
    eps: Fraction  # in the units of x; a Fraction, so that "linf:8/255" comes back as written
    lo: float = 0.0
    hi: float = 1.0

    def __post_init__(self) -> None:
        norm, eps = parse_threat(f"{self.norm}:{self.eps}")  # one place says what is wrong
        object.__setattr__(self, "eps", eps)
        if not self.lo < self.hi:
            raise ValueError(f"the lower bound must be below the upper, got lo={self.lo}, hi={self.hi}")
        if norm == "linf" and eps > self.hi - self.lo:
            hint = f"; did you mean linf:{eps}/255?" if eps.denominator == 1 and eps < 255 else ""
            raise ValueError(f"linf:{eps} is wider than the inputs' range [{self.lo:g}, {self.hi:g}]{hint}")

    @classmethod
    def parse(cls, text: str, lo: float = 0.0, hi: float = 1.0) -> "LpThreat":
        """Read "linf:8/255", "l2:0.5", "l1:12"; ValueError says what is wrong with anything else."""
        norm, eps = parse_threat(text)
        return cls(cast(Norm, norm), eps, lo, hi)

    def __str__(self) -> str:
        return threat_text(self.norm, self.eps)

    def size(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """||x_adv - x||, (N,)."""
        return self._length((x_adv - x).flatten(1))

    def admits(self, x_adv: Tensor, x: Tensor) -> Tensor:
        inside = (x_adv >= self.lo) & (x_adv <= self.hi)
        where = "cpu" if x.device.type == "mps" else x.device  # Apple's GPUs know no float64
        size = self.size(x_adv.to(where, torch.float64), x.to(where, torch.float64))
        return inside.flatten(1).all(1) & (size <= float(self.eps)).to(x.device)

    def project(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """argmin over the ball of ||x' - x_adv||_2, then into the box, which only moves it closer to x."""
        threshold, radius = self._inner(x)
        d = (x_adv - x).flatten(1)
        if self.norm == "linf":
            d = d.clamp(-radius, radius)
        else:
            length = self._length(d)
            nearest = d * (radius / length)[:, None] if self.norm == "l2" else _onto_l1_sphere(d, radius)
            d = torch.where((length > threshold)[:, None], nearest, d)
        return (x + d.view_as(x)).clamp(self.lo, self.hi)

    def step(self, x: Tensor, grad: Tensor, length: float) -> Tensor:
        """x moved by `length`, in this norm, along the steepest ascent: argmax of <grad, d> over ||d|| <= length.

        For linf and l2 the result may leave the box and the ball; `project` ends a step. For l1 the maximiser puts all
        on one coordinate, which in a box is soon used up, so there the box is part of the problem: coordinates are
        filled up to the box's edge in the order of their gradient, which solves the problem with the box exactly.
        """
        if self.norm == "linf":
            return x + length * grad.sign()
        g = grad.flatten(1)
        if self.norm == "l2":
            d = g * (length / self._length(g).clamp_min(torch.finfo(g.dtype).tiny))[:, None]
        else:
            d = self._fill(x.flatten(1), g, length)
        return x + d.view_as(x)

    def sample(self, x: Tensor, rng: Rng) -> Tensor:
        """A point drawn uniformly from the ball around every x, then put into the box."""
        like = x.flatten(1)
        if self.norm == "linf":
            d = 2 * rng.uniform(like) - 1
        else:
            d = rng.normal(like) if self.norm == "l2" else _laplace(rng, like)
            share = rng.fold(2).uniform(like[:, :1]) ** (1 / like.shape[1])  # of the volume, so uniform in the ball
            d = d * share / self._length(d)[:, None]
        return self.project(x + float(self.eps) * d.view_as(x), x)

    def _length(self, d: Tensor) -> Tensor:
        match self.norm:
            case "linf":
                return d.abs().amax(1)
            case "l2":
                return d.square().sum(1).sqrt()
            case "l1":
                return d.abs().sum(1)

    def _inner(self, x: Tensor) -> tuple[float, float]:
        """(from which length on to project, to which): both inside eps by what rounding x + d can add to the length."""
        features = math.prod(x.shape[1:])
        per_feature = torch.finfo(x.dtype).eps / 2 * max(abs(self.lo), abs(self.hi))
        many = {"linf": 1.0, "l2": math.sqrt(features), "l1": float(features)}[self.norm]
        eps = float(self.eps)
        margin = per_feature * many + 4 * torch.finfo(x.dtype).eps * eps
        if margin > eps / 20:
            raise ValueError(f"{self} is too small for inputs of type {x.dtype} with {features} features: they round")
        return eps - margin, eps - 2 * margin

    def _fill(self, x: Tensor, g: Tensor, length: float) -> Tensor:
        room = torch.where(g > 0, self.hi - x, x - self.lo).clamp_min(0) * (g != 0)
        order = g.abs().argsort(dim=1, descending=True)
        room = room.gather(1, order)
        used = room.cumsum(1) - room  # by the coordinates that come before
        move = torch.minimum((length - used).clamp_min(0), room)
        return torch.zeros_like(x).scatter(1, order, move) * g.sign()


def _onto_l1_sphere(d: Tensor, radius: float) -> Tensor:
    """Soft thresholding by the threshold that leaves a sum of `radius` (Duchi et al. 2008, figure 1)."""
    sorted_, _ = d.abs().sort(dim=1, descending=True)
    rank = torch.arange(1, d.shape[1] + 1, device=d.device)
    excess = (sorted_.cumsum(1) - radius) / rank
    last = (sorted_ > excess).sum(1, keepdim=True).clamp_min(1) - 1
    size = (d.abs() - excess.gather(1, last)).clamp_min(0)
    # Far from the ball the difference above has lost digits, so the sum is put right once more.
    return d.sign() * size * (radius / size.sum(1, keepdim=True).clamp_min(torch.finfo(d.dtype).tiny)).clamp_max(1)


def _laplace(rng: Rng, like: Tensor) -> Tensor:
    """Laplace numbers: scaled to length 1 they are uniform on the l1 sphere."""
    magnitude = -torch.log1p(-rng.fold(0).uniform(like))
    return magnitude * torch.where(rng.fold(1).uniform(like) < 0.5, -1.0, 1.0).to(like.dtype)
