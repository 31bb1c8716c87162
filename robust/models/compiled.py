"""Models of torch.compile: attacked in their eager form, which has every gradient, and judged by the compiled one."""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from robust.attacks.engine import eval_mode
from robust.device import device_of
from robust.models.program import Batched

BATCH = 64  # in which the compiled form is asked: one size, so that it is compiled once
MARK = "_torchdynamo_orig_callable"  # on what torch.compile returns
COMPILED = "torch.compile: it is attacked in its eager form, and judged by the compiled one"


class Compiled(nn.Module):
    """A model of which all, or a part, is compiled. It answers in its eager form, but inside AsCompiled."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.as_deployed = False

    def forward(self, x: Tensor) -> Any:
        with torch.compiler.set_stance("default" if self.as_deployed else "force_eager"):
            return self.module(x)


class AsCompiled(nn.Module):
    """A model as it is deployed: compiled."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self._batched = Batched(module, BATCH, BATCH)

    def forward(self, x: Tensor) -> Any:
        parts = _list_compiled(self.module)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the compiler gives warnings of its own
            try:
                for part in parts:
                    part.as_deployed = True
                return self._batched(x)
            finally:
                for part in parts:
                    part.as_deployed = False


def add_eager_form(module: nn.Module) -> nn.Module:
    """Return the module; one of which a part is compiled so that it answers in its eager form."""
    return Compiled(module) if any(map(_has_mark, module.modules())) and not is_compiled(module) else module


def is_compiled(module: nn.Module) -> bool:
    """Whether the module, or a part of it, has a compiled form beside the eager one."""
    return bool(_list_compiled(module))


def check_compiled(module: nn.Module, x: Tensor) -> None:
    """Compile the module, and show it some inputs, (n, *shape); ValueError, in one line, if it cannot be compiled."""
    x = x.to(device_of(module))
    with eval_mode(module), torch.no_grad():
        try:
            module(x)
        except Exception:  # `check_model` says what is wrong
            return
        try:
            AsCompiled(module)(x)
        except Exception as error:  # the compiler raises anything
            hint = "give it without torch.compile, or repair what compiles it"
            said = " ".join(str(error).split("\n")[:2])  # the second line is what a compiler says
            raise ValueError(f"torch.compile fails: {said}; {hint}") from error


def _list_compiled(module: nn.Module) -> list[Compiled]:
    return [part for part in module.modules() if isinstance(part, Compiled)]


def _has_mark(part: nn.Module) -> bool:
    """Whether torch.compile made the module, its forward, a call of it, or a function that it keeps."""
    if isinstance(part, torch.jit.ScriptModule):
        return False
    kept = [part, part.forward, *vars(part).values()]
    return getattr(part, "_compiled_call_impl", None) is not None or any(
        callable(value) and hasattr(value, MARK) for value in kept
    )
