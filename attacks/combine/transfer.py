"""Transfer: attack another model, and see whether the one that is tested falls for it (1602.02697)."""

from dataclasses import dataclass, replace
from typing import Any

from robust.attacks.engine import Attack
from robust.attacks.task import Model, Task


@dataclass(frozen=True, slots=True)
class Transfer:
    """`attack` on the `surrogate`, a model in evaluation mode that takes the same inputs; each iterate is tried.

    It needs no gradient of the model that is tested, and finds what a masked gradient hides.
    """

    attack: Attack[Any]
    surrogate: Model

    @property
    def steps(self) -> int:
        return self.attack.steps

    def init(self, task: Task) -> Any:
        return self.attack.init(self._other(task))._replace(logits=None)

    def step(self, task: Task, state: Any, k: int) -> Any:
        state = state._replace(logits=None)
        return self.attack.step(self._other(task), state, k)._replace(logits=None)

    def _other(self, task: Task) -> Task:
        return replace(task, model=self.surrogate)
