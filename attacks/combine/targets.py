"""Targets: "apgd:loss=dlr:targets=9" aims at one wrong class after the other.

Other criteria have other ways to be wrong: a value too large or too small, one label of several.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor

from robust.attacks.engine import AnyAttack, Round, rounds_of
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task


@dataclass(frozen=True, slots=True)
class Targets:
    """Run `attack` once for each of the wrong classes with the largest logits at the clean input, in this order.

    By the criterion `within` the targets are each value too large and too small; by `labels` each label.

    With APGD and the loss dlr it is APGD-T, with FAB it is FAB-T, of Croce and Hein 2020 (2003.01690). ValueError when
    it runs if the model does not have more classes than targets.
    """

    attack: AnyAttack
    targets: int = 9  # wrong classes that are aimed at, one after the other

    def __post_init__(self) -> None:
        check_at_least_1("targets", self.targets)

    def rounds(self) -> Iterator[Round]:
        """Yield the rounds of the attack for each target."""
        for rank in range(self.targets):
            for attack, enter_round in rounds_of(self.attack):
                yield Round(attack, partial(self._aim, rank, enter_round))

    def _aim(self, rank: int, enter_round: Any, task: Task) -> Task:
        """Return the task with the wrong class of this rank as target; it costs one forward pass."""
        task = enter_round(task.fold(rank))
        return replace(task, target=rank_wrong(task, self.targets)[:, rank])


def rank_wrong(task: Task, targets: int) -> Tensor:
    """Return the targets that are nearest at the clean inputs, (n, targets) int64, the nearest first.

    Of classes they are the wrong ones with the largest logits. It costs one forward pass. Raise ValueError if the model
    and the criterion have fewer.
    """
    logits = task.logits(task.x)
    width = logits.shape[1]
    if targets > (most := task.criterion.count_targets(width)):
        what = "classes" if task.criterion.labels == "class" else f"outputs, judged by {task.criterion}"
        raise ValueError(f"the model has {width} {what}, so at most targets={most}")
    return task.criterion.ranked_targets(logits, task.y)[:, :targets]
