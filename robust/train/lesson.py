"""What does not change while a module is trained."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from robust.attacks.task import Task
from robust.attacks.threat import LpThreat
from robust.data.dataset import Samples
from robust.distributed.ranks import ALONE, Ranks
from robust.train.batches import batches
from robust.train.recipe import Criterion
from robust.train.word import Method


@dataclass(frozen=True, slots=True)
class Lesson:
    """The method, and what it is given."""

    method: Method
    threat: LpThreat
    learn: Samples
    validation: Samples
    seed: int
    criterion: Criterion
    ranks: Ranks = ALONE  # of which each learns from its share of a batch

    def batches(self, module: nn.Module, epoch: int, skip: int = 0) -> Iterator[Task]:
        """Those of an epoch, from number `skip` on, for the module."""
        plan, threat = self.method.plan, self.threat
        return batches(module, self.learn, threat, plan, seed=self.seed, epoch=epoch, skip=skip, ranks=self.ranks)
