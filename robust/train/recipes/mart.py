"""mart: samples that are already misclassified weigh more. Wang et al. 2020 (ICLR, openreview rklOg6EFwS)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from robust.attacks.engine import run_steps
from robust.attacks.task import Task
from robust.attacks.words import STEPPED
from robust.attacks.zoo.pgd import PGD
from robust.train.recipe import RECIPES, LossFunction, Selection
from robust.train.recipes._shared import check_beta, divergence_from
from robust.train.search import search_under

TINY = 1e-4  # keeps the logarithm finite if another class has all the probability


@RECIPES.register("mart")
@dataclass(frozen=True, slots=True)
class Mart:
    """Cross-entropy with a margin on PGD's inputs, plus beta times the divergence from the clean answer.

    The divergence is weighted by the probability that the clean answer gives to all classes but the label.
    """

    beta: float = 5.0
    steps: int = 10
    stride: float = 0.225  # length of a step, as a share of eps: .007 for .031
    start: float = 0.03  # .001 for .031
    selects: ClassVar[Selection] = "robust"
    families: ClassVar[tuple[str, ...]] = STEPPED

    def __post_init__(self) -> None:
        check_beta(self.beta)
        self._attack()  # raises an error if the options are wrong

    def _attack(self) -> PGD:
        return PGD(self.steps, self.stride, self.start)

    def inputs(self, task: Task) -> Tensor:
        return run_steps(search_under(task.threat, self._attack()), task)

    def loss(self, task: Task, x: Tensor, criterion: LossFunction) -> Tensor:
        clean, logits = task.model(task.x), task.model(x)
        label = task.y[:, None]
        rival = logits.softmax(1).scatter(1, label, 0.0).amax(1)
        boosted = criterion(logits, task.y) - torch.log1p(TINY - rival).mean()
        weight = 1 - clean.softmax(1).gather(1, label)[:, 0]
        return boosted + self.beta * (divergence_from(clean)(logits, task.y) * weight).mean()
