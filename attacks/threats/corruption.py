"""The common corruptions of pictures (`corruption:3`): for each picture finitely many inputs are admitted, no ball.

Shapes: `x` and `x_adv` are (N, channels, height, width) with 1 or 3 channels, or (N, height, width). What is drawn for
a picture depends on the picture and the seed in the word alone, so whoever has it can make the corrupted one again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from typing import ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robust.attacks.corruptions.kinds import SMALLEST
from robust.attacks.grammar.corruption import CORRUPTION, Corruptions, read_corruptions
from robust.attacks.rng import Rng

LEVELS = 255


class Pictures(Protocol):
    """The pictures of which inputs are made, where these are known: they are corrupted before they are resized."""

    def remake(
        self, x: NDArray[np.float32], changes: Sequence[Callable[[NDArray[np.uint8]], NDArray[np.uint8]]]
    ) -> NDArray[np.float32]:
        """Return inputs x, (n, *shape), each made of its picture once more, which is changed before.

        Changes are of levels from 0 to 255, (height, width, 1 or 3).
        """
        ...


def of_pictures(threat: object) -> "CorruptionThreat":
    """Return a threat model that an attack for corruptions alone gets."""
    assert isinstance(threat, CorruptionThreat)
    return threat


@dataclass(frozen=True, slots=True)
class CorruptionThreat:
    """The corruptions of a picture at one severity, each of which is admitted in its place."""

    word: Corruptions
    lo: float = 0.0
    hi: float = 1.0
    pictures: Pictures | None = field(default=None, compare=False)  # None: inputs are corrupted as they are
    norm: ClassVar[str] = CORRUPTION
    eps: ClassVar[Fraction] = Fraction(1)
    keeps_missing: ClassVar[bool] = False
    negligible: ClassVar[float] = 0.0  # corruptions have no distance

    @classmethod
    def parse(cls, text: str, lo: float = 0.0, hi: float = 1.0) -> "CorruptionThreat":
        """Read "corruption:3" for pictures in [lo, hi]; raise ValueError, in one line, for anything else."""
        return cls(read_corruptions(text), lo, hi)

    def __str__(self) -> str:
        return str(self.word)

    @property
    def parts(self) -> "tuple[CorruptionThreat, ...]":
        """Return this threat model alone; unions have several parts."""
        return (self,)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the names of the corruptions, in the order in which they are tried."""
        return self.word.kinds

    def apply(self, x: Tensor, kind: str | list[str]) -> Tensor:
        """Return each picture x corrupted in one way, or in a way of its own, of the shape and type of x.

        Values are rounded to 256 levels first, as the pictures in the published data. Raise ValueError for what is no
        picture.
        """
        from robust.attacks.corruptions.corrupt import corrupt

        kinds = [kind] * len(x) if isinstance(kind, str) else kind
        if self.pictures is not None:
            self.check_shape(tuple(x.shape[1:]))
            changes = [partial(corrupt, kind=one, severity=self.word.severity, seed=self.word.seed) for one in kinds]
            made = self.pictures.remake(x.detach().cpu().float().numpy(), changes)
            return torch.from_numpy(made).to(x.device, x.dtype)
        levels = self._to_levels(x)
        if not len(x):
            return x.clone()
        word = self.word
        changed = [corrupt(picture, one, word.severity, word.seed) for picture, one in zip(levels, kinds, strict=True)]
        values = torch.from_numpy(np.stack(changed)).double() / LEVELS * (self.hi - self.lo) + self.lo
        arranged = values.permute(0, 3, 1, 2) if x.dim() == 4 else values[..., 0]
        return arranged.to(x.device, x.dtype).contiguous()

    def _to_levels(self, x: Tensor) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
        """Return x as levels from 0 to 255, (N, height, width, channels)."""
        self.check_shape(tuple(x.shape[1:]))
        values = (x.detach().cpu().double() - self.lo) / (self.hi - self.lo) * LEVELS
        levels = values.round().clamp(0, LEVELS).to(torch.uint8)
        arranged = levels.permute(0, 2, 3, 1) if x.dim() == 4 else levels[..., None]
        return np.ascontiguousarray(arranged.numpy())

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError, in one line, unless inputs of this shape are pictures, grey or in colour, and not tiny."""
        grey = len(shape) == 2 or (len(shape) == 3 and shape[0] == 1)
        if not (grey or (len(shape) == 3 and shape[0] == 3)) or min(shape[-2:]) < SMALLEST:
            size = f"{SMALLEST} pixels a side or more, as 3x32x32"
            raise ValueError(
                f"{CORRUPTION} is for pictures, grey or in colour, of {size}; an input has the shape {[*shape]}"
            )

    def sample(self, x: Tensor, rng: Rng) -> Tensor:
        """Draw one of the corruptions for every x."""
        which = (rng.uniform(x.flatten(1)[:, :1].double())[:, 0] * len(self.kinds)).long().tolist()
        return self.apply(x, [self.kinds[k] for k in which])

    def admits(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Mark the x_adv that are one of the corruptions of x, bit for bit, (N,) bool."""
        found = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        for kind in self.kinds:
            left = (~found).nonzero()[:, 0]
            if not len(left):
                break
            found[left] = (self.apply(x[left], kind) == x_adv[left]).flatten(1).all(1)
        return found
