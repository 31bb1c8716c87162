"""Models of torch.compile: attacked in their eager form, which has every gradient, and judged by the compiled one."""

import torch
from torch import Tensor, nn

from robust.attacks.engine import eval_mode
from robust.device import device_of
from robust.models.judged import AsCompiled, Compiled, list_compiled

MARK = "_torchdynamo_orig_callable"  # on what torch.compile returns
NOTE = "torch.compile: it is attacked in its eager form, and judged by the compiled one"


def add_eager_form(module: nn.Module) -> tuple[nn.Module, tuple[str, ...]]:
    """Return the module and notes on it; one of which a part is compiled answers in its eager form."""
    if list_compiled(module):  # a factory may return the same module twice
        return module, (NOTE,)
    return (Compiled(module), (NOTE,)) if any(map(_has_mark, module.modules())) else (module, ())


def check_compiled(module: nn.Module, x: Tensor) -> None:
    """Compile the module, and show it some inputs, (n, *shape); ValueError, in one line, if it cannot be compiled."""
    if not list_compiled(module):
        return
    x = x.to(device_of(module))
    with eval_mode(module), torch.no_grad():
        try:
            module(x)
        except Exception:  # `check_model` says what is wrong
            return
        try:
            AsCompiled(module)(x)
        except Exception as error:  # the compiler raises anything
            said = " ".join(str(error).split("\n")[:2])  # the second line is what a compiler says
            hint = "give it without torch.compile, or repair what compiles it"
            raise ValueError(f"torch.compile fails: {said}; {hint}") from error


def _has_mark(part: nn.Module) -> bool:
    """Whether torch.compile made the module, its forward, a call of it, or a function that it keeps."""
    if isinstance(part, torch.jit.ScriptModule):
        return False
    kept = [part, part.forward, *vars(part).values()]
    return getattr(part, "_compiled_call_impl", None) is not None or any(
        callable(value) and hasattr(value, MARK) for value in kept
    )
