"""corrupted: cross-entropy on corrupted pictures, plain augmentation: Rusak et al. 2020 (2001.06057)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from robust.attacks.criteria.criterion import LabelKind
from robust.attacks.grammar.corruption import Corruptions, read_corruptions
from robust.attacks.task import Task
from robust.attacks.threats.corruption import CorruptionThreat
from robust.attacks.words import FAMILIES
from robust.train.recipe import ANY_LABELS, RECIPES, LossFunction, Selection

MAX_SEED = 2**31


@RECIPES.register("corrupted")
@dataclass(frozen=True, slots=True)
class Corrupted:
    """Cross-entropy on pictures, a share of which stay clean, and others are corrupted in one way drawn at random.

    Kind, severity and noise are drawn anew for each picture and each epoch. What is measured afterwards with the same
    kinds is no surprise to the network: measure `corruption:3:held-out`.
    """

    severity: int = 3  # the most: drawn from 1 up to it
    which: str = "usual"  # a group of corruptions, or one kind
    clean: float = 0.5  # share of the pictures that stay as they are
    selects: ClassVar[Selection] = "clean"
    families: ClassVar[tuple[str, ...]] = FAMILIES
    labels: ClassVar[tuple[LabelKind, ...]] = ANY_LABELS

    def __post_init__(self) -> None:
        self._word()
        if not 0 <= self.clean < 1:
            raise ValueError(f"clean, a share of the pictures, must be from 0 to below 1, got {self.clean:g}")

    def _word(self) -> Corruptions:
        try:
            return read_corruptions(f"corruption:{self.severity}:{self.which}")
        except ValueError as error:
            raise ValueError(str(error).partition(": ")[2]) from None

    def check(self, module: torch.nn.Module, x: Tensor, threat: object) -> None:
        """Raise ValueError, in one line, for inputs that are no pictures."""
        del module, threat
        CorruptionThreat(self._word()).check_shape(tuple(x.shape[1:]))

    def inputs(self, task: Task) -> Tensor:
        """Return the pictures to learn from, (N, *features)."""
        word, x = self._word(), task.x.clone()
        like = x.new_zeros((len(x), 4), dtype=torch.float64)
        share, kind, severity, seed = task.rng.uniform(like).cpu().numpy().T
        for k in np.flatnonzero(share >= self.clean):
            drawn = Corruptions(1 + int(severity[k] * self.severity), self.which, int(seed[k] * MAX_SEED))
            way = word.kinds[int(kind[k] * len(word.kinds))]
            x[k : k + 1] = CorruptionThreat(drawn, task.threat.lo, task.threat.hi).apply(x[k : k + 1], way)
        return x

    def loss(self, task: Task, x: Tensor, criterion: LossFunction) -> Tensor:
        return criterion(task.model(x), task.y)
