"""BPDA: backward pass differentiable approximation (Athalye, Carlini and Wagner 2018, 1802.00420)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from robust.attacks.engine import Attack
from robust.attacks.task import Task

Approximation = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class BPDA:
    """Run `attack` on the model whose submodule `module` keeps its output and has the gradient of `smooth`.

    `smooth` is differentiable and about equal to the submodule; the default is the identity (straight-through).
    ValueError if the model is no torch.nn.Module, or has no such submodule.
    """

    attack: Attack[Any]
    module: str  # as in named_modules()
    smooth: Approximation = lambda x: x

    @property
    def steps(self) -> int:
        return self.attack.steps

    def init(self, task: Task) -> Any:
        return self.attack.init(self._through(task))

    def step(self, task: Task, state: Any, k: int) -> Any:
        return self.attack.step(self._through(task), state, k)

    def _through(self, task: Task) -> Task:
        """Return the task with the model whose gradient is replaced."""
        model = task.model
        if not isinstance(model, nn.Module):
            raise ValueError("bpda needs a torch.nn.Module, to find the submodule in it")
        names = [name for name, _ in model.named_modules() if name]
        if self.module not in names:
            raise ValueError(f"bpda: the model has no submodule {self.module!r}; it has {', '.join(names) or 'none'}")
        submodule = model.get_submodule(self.module)

        def bridge(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            near = self.smooth(inputs[0])
            return near + (output - near).detach()

        def bridged(x: Tensor) -> Tensor:
            with submodule.register_forward_hook(bridge):
                answer: Tensor = model(x)
                return answer

        return replace(task, model=bridged)
