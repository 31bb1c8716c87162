"""Output-diversified starts: "pgd:odi=5:restarts=10" (Tashiro, Song and Ermon 2020, 2003.06878)."""

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from robust.attacks.engine import Ascent, Attack
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task


@dataclass(frozen=True, slots=True)
class Diversified:
    """Run `attack` from starts that differ in the logits, not only in the inputs.

    From a random point, `odi` steps of length eps ascend along a random direction of the logits.
    """

    attack: Attack[Any]
    odi: int = 5  # steps along a random direction of the logits, before the attack starts

    def __post_init__(self) -> None:
        check_at_least_1("odi, the number of diversifying steps,", self.odi)

    @property
    def steps(self) -> int:
        return self.odi + 1 + self.attack.steps

    def init(self, task: Task) -> Ascent:
        return self._ascend(task, task.start())

    def step(self, task: Task, state: Any, k: int) -> Any:
        if k > self.odi:
            return self.attack.step(task, state, k - self.odi - 1)
        if k == self.odi:
            return self.attack.init(replace(task, origin=state.x))
        x = task.threat.project(task.threat.step(state.x, state.grad, float(task.threat.eps)), task.x)
        return self._ascend(task, x) if k + 1 < self.odi else Ascent(x, None, state.grad)

    def _ascend(self, task: Task, x: Tensor) -> Ascent:
        """Return the state at x with the gradient along the direction of each sample."""
        rng = task.rng.fold(1)

        def along(logits: Tensor, y: Tensor) -> Tensor:
            return (logits * (2 * rng.uniform(logits) - 1)).flatten(1).sum(1)

        logits, _, grad = replace(task, target=None).ascent(x, along)
        return Ascent(x, logits, grad)
