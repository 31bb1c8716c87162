"""The inputs and outputs of the submodules of a model."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass
class Call:
    """One call of a submodule."""

    name: str  # as in named_modules()
    module: nn.Module
    input: Tensor
    output: Any = None


def record_calls(model: nn.Module, x: Tensor) -> tuple[list[Call], Tensor]:
    """Record the calls of submodules with one tensor while the model answers x, in the order in which they begin.

    Return the answer, too.
    """
    calls: list[Call] = []

    def make_hook(name: str) -> Any:
        def begin(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            if len(inputs) == 1 and isinstance(inputs[0], Tensor):
                calls.append(Call(name, module, inputs[0]))

        return begin

    def end(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        for call in reversed(calls):
            if call.module is module:
                call.output = output
                break

    scripts = torch.jit.ScriptModule  # which take no hooks
    submodules = [(name, part) for name, part in model.named_modules() if name and not isinstance(part, scripts)]
    hooks = [module.register_forward_pre_hook(make_hook(name)) for name, module in submodules]
    hooks += [module.register_forward_hook(end) for _, module in submodules]
    try:
        answer: Tensor = model(x)
    finally:
        for hook in hooks:
            hook.remove()
    return calls, answer
