"""Unions of threat models."""

from dataclasses import dataclass

import torch
from torch import Tensor

from robust.attacks.rng import Rng
from robust.attacks.threats.corruption import CorruptionThreat
from robust.attacks.threats.features import FeaturesThreat
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.patch import PatchThreat
from robust.attacks.threats.pixels import PixelThreat
from robust.attacks.threats.product import Product
from robust.attacks.threats.transform import Transform


@dataclass(frozen=True, slots=True)
class Union:
    """The union of several threat models with the same bounds."""

    parts: tuple[LpThreat | PixelThreat | FeaturesThreat | Product | PatchThreat | Transform | CorruptionThreat, ...]

    def __post_init__(self) -> None:
        several = all(isinstance(part, Product) for part in self.parts)  # each of their parts has its own bounds
        if not self.parts or (len({(part.lo, part.hi) for part in self.parts}) != 1 and not several):
            raise ValueError("a union needs one threat model or more, all with the same bounds")

    @property
    def lo(self) -> float:
        """Return the lower bound of every feature."""
        return min(part.lo for part in self.parts)

    @property
    def hi(self) -> float:
        """Return the upper bound of every feature."""
        return max(part.hi for part in self.parts)

    @property
    def keeps_missing(self) -> bool:
        """Whether every part takes rows with missing values."""
        return all(part.keeps_missing for part in self.parts)

    def __str__(self) -> str:
        return "+".join(map(str, self.parts))

    def sample(self, x: Tensor, rng: Rng) -> Tensor:
        """Draw for each x, (N, *features), from a part of the union that is drawn for that x."""
        like = x.flatten(1)[:, :1]
        which = (rng.fold(0).uniform(like)[:, 0] * len(self.parts)).long()
        drawn = torch.stack([part.sample(x, rng.fold(k + 1)) for k, part in enumerate(self.parts)])
        return drawn[which, torch.arange(len(x), device=x.device)]

    def admits(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Mark the inputs that any part admits, (N,) bool."""
        return torch.stack([part.admits(x_adv, x) for part in self.parts]).any(0)
