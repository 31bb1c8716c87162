"""The protocol that every threat model keeps, and how one is read from text.

Shapes: `x` and `x_adv` are (N, *features) of any rank; sizes and verdicts are (N,).
"""

from typing import Protocol

from torch import Tensor

from robust.attacks.rng import Rng
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.union import Union


class Threat(Protocol):
    """A set of inputs around every x. `str` of a threat is its canonical spelling."""

    @property
    def parts(self) -> tuple[LpThreat, ...]:
        """The threat models that it is the union of; an input is broken where any of them breaks it."""
        ...

    @property
    def lo(self) -> float: ...

    @property
    def hi(self) -> float: ...

    def sample(self, x: Tensor, rng: Rng) -> Tensor:
        """A random admitted input for every x."""
        ...

    def admits(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Whether an attacker may present `x_adv` in place of `x`: (N,) bool, False where anything is not finite."""
        ...


def read_threat(text: str, lo: float = 0.0, hi: float = 1.0) -> LpThreat | Union:
    """Read "linf:8/255", or the union "linf:8/255+l2:0.5"; ValueError says what is wrong with anything else."""
    parts = tuple(LpThreat.parse(part, lo, hi) for part in text.split("+"))
    return parts[0] if len(parts) == 1 else Union(parts)
