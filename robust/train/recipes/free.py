"""free: every gradient moves the weights and the perturbation at once. Shafahi et al. 2019 (1904.12843)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from robust.attacks.criteria.criterion import LabelKind
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task
from robust.train.recipe import ANY_LABELS, RECIPES, LossFunction, Selection


@RECIPES.register("free")
@dataclass(frozen=True, slots=True)
class Free:
    """`replays` steps on each batch, each of which also moves the perturbation; the next batch starts from it.

    An epoch takes `replays` times as many steps as with other recipes: give fewer epochs.
    """

    replays: int = 8
    selects: ClassVar[Selection] = "robust"
    labels: ClassVar[tuple[LabelKind, ...]] = ANY_LABELS

    def __post_init__(self) -> None:
        check_at_least_1("replays", self.replays)

    def begin(self, module: nn.Module) -> "_Free":
        del module
        return _Free()


class _Free:
    """A run with its perturbation, (batch, *features), one for each place in a batch."""

    def __init__(self) -> None:
        self._delta: Tensor | None = None

    def inputs(self, task: Task) -> Tensor:
        if self._delta is None:
            self._delta = torch.zeros_like(task.x)
        x = task.threat.project(task.x + self._delta[: len(task.x)], task.x)
        return x.detach().requires_grad_()

    def loss(self, task: Task, x: Tensor, criterion: LossFunction) -> Tensor:
        return criterion(task.model(x.clone()), task.y)

    def learn(self, task: Task, x: Tensor) -> None:
        assert self._delta is not None
        assert x.grad is not None
        delta, grad, eps = self._delta[: len(x)], x.grad.nan_to_num(0.0), float(task.threat.eps)
        with torch.no_grad():
            if task.threat.norm == "linf":  # clipped to eps alone, as in the paper: the next inputs have another box
                delta.add_(eps * grad.sign()).clamp_(-eps, eps)
            else:
                delta.copy_(task.threat.project(task.threat.step(x, grad, eps), task.x) - task.x)

    def state_dict(self) -> dict[str, Any]:
        return {"delta": self._delta}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._delta = state["delta"]
