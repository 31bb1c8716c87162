"""Balls of one norm, each sample's of a radius of its own: for a search that knows a distance of every sample."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from robust.attacks.geometry import per_sample
from robust.attacks.rng import Rng
from robust.attacks.threats.lp import LpThreat


@dataclass(frozen=True, slots=True, eq=False)
class Balls(LpThreat):
    """The balls of radius `share` times eps. An attack steps by its share of eps, so it is as in a ball of that eps."""

    share: Tensor = field(kw_only=True)  # (n,), above 0 and at most 1

    @property
    def parts(self) -> tuple[LpThreat, ...]:
        """Return these balls alone."""
        return (self,)

    @property
    def radius(self) -> Tensor:
        """Return each sample's radius, (n,) float64."""
        wide = self.share if self.share.device.type == "mps" else self.share.double()  # Apple's GPUs know no float64
        return wide * float(self.eps)

    def only(self, keep: Tensor) -> "Balls":
        """Return the balls of the samples in the mask `keep`, (n,) bool, or at these positions."""
        return replace(self, share=self.share[keep])

    def admits(self, x_adv: Tensor, x: Tensor) -> Tensor:
        inside = (x_adv >= self.lo) & (x_adv <= self.hi)
        exact = self.radius.dtype
        return inside.flatten(1).all(1) & (self.size(x_adv.to(exact), x.to(exact)) <= self.radius)

    def project(self, x_adv: Tensor, x: Tensor) -> Tensor:
        return self.shrink(x_adv, x, self.reach(x))

    def reach(self, x: Tensor) -> Tensor:
        """Return the length to which `project` shortens each sample, (n,)."""
        features = x[0].numel()
        terms = {"linf": 1.0, "l2": features**0.5, "l1": float(features)}[self.norm]
        step = torch.finfo(x.dtype).eps
        rounding = step * (max(abs(self.lo), abs(self.hi)) * terms + 8 * self.radius)  # twice what can be added
        return torch.maximum(self.radius - rounding, self.radius / 2).to(x)

    def step(self, x: Tensor, grad: Tensor, length: float | Tensor) -> Tensor:
        return LpThreat.step(self, x, grad, length * self.share.to(x))

    def sparse_step(self, x: Tensor, grad: Tensor, length: float | Tensor, share: float | Tensor) -> Tensor:
        return LpThreat.sparse_step(self, x, grad, length * self.share.to(x), share)

    def sample(self, x: Tensor, rng: Rng) -> Tensor:
        whole = LpThreat(self.norm, self.eps, self.lo, self.hi)
        return x.lerp(whole.sample(x, rng), per_sample(self.share.to(x), x))
