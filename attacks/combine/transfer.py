"""Transfer: attack another model, and see whether the one that is tested falls for it (1602.02697)."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from torch import Tensor

from robust.attacks.engine import Attack
from robust.attacks.task import Model, Task


class TransferState(NamedTuple):
    """The state: that of the attack on the surrogate, whose answers are not those of the model that is tested."""

    x: Tensor
    logits: None
    inner: Any
    done: Tensor | None


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

    def init(self, task: Task) -> TransferState:
        return _shown(self.attack.init(self._other(task)))

    def step(self, task: Task, state: TransferState, k: int) -> TransferState:
        return _shown(self.attack.step(self._other(task), state.inner, k))

    def _other(self, task: Task) -> Task:
        return replace(task, model=self.surrogate)


def _shown(inner: Any) -> TransferState:
    return TransferState(inner.x, None, inner, getattr(inner, "done", None))
