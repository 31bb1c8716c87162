"""Transfer: attack another model, and judge the iterates by the model under test (1602.02697)."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from torch import Tensor

from robust.attacks.engine import Attack
from robust.attacks.task import Model, Task


class TransferState(NamedTuple):
    """The state: `inner` is that of the attack on the surrogate; there are no logits of the model under test."""

    x: Tensor
    logits: None
    inner: Any
    done: Tensor | None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Run `attack` on the `surrogate`, a model in evaluation mode that takes the same inputs; judge each iterate.

    It needs no gradient of the model under test, so it succeeds where that gradient is masked.
    """

    attack: Attack[Any]
    surrogate: Model  # the model that is attacked in place of the one under test

    @property
    def steps(self) -> int:
        return self.attack.steps

    def init(self, task: Task) -> TransferState:
        return _to_state(self.attack.init(self._on_surrogate(task)))

    def step(self, task: Task, state: TransferState, k: int) -> TransferState:
        return _to_state(self.attack.step(self._on_surrogate(task), state.inner, k))

    def _on_surrogate(self, task: Task) -> Task:
        return replace(task, model=self.surrogate)


def _to_state(inner: Any) -> TransferState:
    return TransferState(inner.x, None, inner, getattr(inner, "done", None))
