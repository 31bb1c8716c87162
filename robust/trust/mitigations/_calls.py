"""What the parts of a model are given, and what they answer."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass
class Call:
    """One call of a submodule."""

    name: str  # as in named_modules()
    module: nn.Module
    given: Tensor
    answer: Any = None


def calls(model: nn.Module, x: Tensor) -> list[Call]:
    """The calls of submodules with one tensor while the model answers x, in the order in which they begin."""
    found: list[Call] = []

    def watch(name: str) -> Any:
        def begin(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            if len(inputs) == 1 and isinstance(inputs[0], Tensor):
                found.append(Call(name, module, inputs[0]))

        return begin

    def end(module: nn.Module, inputs: tuple[Any, ...], answer: Any) -> None:
        for call in reversed(found):
            if call.module is module:
                call.answer = answer
                break

    inner = [(name, module) for name, module in model.named_modules() if name]
    hooks = [module.register_forward_pre_hook(watch(name)) for name, module in inner]
    hooks += [module.register_forward_hook(end) for _, module in inner]
    try:
        model(x)
    finally:
        for hook in hooks:
            hook.remove()
    return found
