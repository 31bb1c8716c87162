"""Modules with lazy layers, which learn their shapes from the first inputs that they see."""

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from robust.user_code import describe_user_error

NOTE = "its lazy layers got their shapes from a few samples"


def fill_lazy(module: nn.Module, x: Tensor | None) -> tuple[str, ...]:
    """Let lazy layers learn their shapes from some inputs, (n, *shape); return notes, or raise ValueError, in one line.

    Whatever else is asked of the module needs all parameters.
    """
    if not any(map(is_lazy, (*module.parameters(), *module.buffers()))):
        return ()
    if x is None:
        raise ValueError("it has lazy layers without shapes; show it a batch in its factory")
    try:
        with torch.no_grad():
            module.eval()(x)
    except Exception as error:  # a user's code may raise anything
        why = describe_user_error(error)
        raise ValueError(f"its lazy layers cannot learn their shapes from samples {[*x.shape[1:]]}: {why}") from error
    return (NOTE,)
