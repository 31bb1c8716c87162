"""The common corruptions, one after the other: Hendrycks and Dietterich 2019 (1903.12261)."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.corruptions.kinds import KINDS
from robust.attacks.grammar.corruption import CORRUPTION
from robust.attacks.registry import ATTACKS
from robust.attacks.task import Task
from robust.attacks.threats.corruption import of_pictures


class CorruptionsState(NamedTuple):
    """The state: the pictures corrupted in one way; the driver queries the model."""

    x: Tensor
    logits: None
    done: Tensor  # (n,) bool: whether this is the last way


@ATTACKS.register("corruptions")
@dataclass(frozen=True, slots=True)
class Corruptions:
    """Show the model each corruption that the threat model names; nothing is searched, and no gradient is needed."""

    steps: ClassVar[int] = len(KINDS) - 1  # of the most that a word can name
    families: ClassVar[tuple[str, ...]] = (CORRUPTION,)

    def init(self, task: Task) -> CorruptionsState:
        return self._show(task, 0)

    def step(self, task: Task, state: CorruptionsState, k: int) -> CorruptionsState:
        return self._show(task, k + 1)

    def _show(self, task: Task, k: int) -> CorruptionsState:
        threat = of_pictures(task.threat)
        last = torch.full((len(task.x),), k + 1 == len(threat.kinds), device=task.x.device)
        return CorruptionsState(threat.apply(task.x, threat.kinds[k]), None, last)
