"""Models in half or double precision: evaluated in float32, the type of the data's inputs, if they can be."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from robust.attacks.engine import eval_mode
from robust.device import device_of
from robust.models.weights import has_storage

OTHERS = (torch.float16, torch.bfloat16, torch.float64)
TRIED_INPUTS = 2


def fit_precision(module: nn.Module, x: Tensor) -> tuple[str, ...]:
    """Convert parameters and buffers of other types to float32, in place; return a note if something was done.

    x is some inputs, (n, *shape), float32. A model that does not take them once it is converted is left as it was. If
    it did not take them before either, the inputs are converted for it: so it is with packed parameters.
    """
    types = {tensor.dtype for tensor in (*module.parameters(), *module.buffers())} & {*OTHERS}
    if not types:
        return ()
    names = " and ".join(sorted(map(_name, types)))
    undo = _convert(module)
    if _takes(module, x):
        return (f"its parameters, {names}, become float32",)
    undo()
    if _takes(module, x):
        return ()
    for dtype in types:
        if _takes(module, x.to(dtype)):
            module.register_forward_pre_hook(_make_cast(dtype))
            return (f"its inputs become {_name(dtype)}, as its parameters are",)
    _convert(module)  # the type is not what it fails for: `check_model` says what is
    return ()


def copy_inference_tensors(module: nn.Module) -> tuple[str, ...]:
    """Replace tensors that were made in inference mode, which have no gradient; return a note if there are some."""
    copies: dict[int, Tensor] = {}
    with torch.no_grad():
        for part in module.modules():
            for table in (part._parameters, part._buffers):
                for key, tensor in table.items():
                    if tensor is not None and tensor.is_inference():
                        if id(tensor) not in copies:  # a tensor may stand in several places
                            copy = tensor.clone()
                            copies[id(tensor)] = nn.Parameter(copy) if isinstance(tensor, nn.Parameter) else copy
                        table[key] = copies[id(tensor)]  # type: ignore[assignment]
    return ("its tensors, made in inference mode, are copied",) if copies else ()


def _convert(module: nn.Module) -> Callable[[], None]:
    """Convert the tensors of other types; return a function that undoes it."""
    plain = filter(has_storage, (*module.parameters(), *module.buffers()))
    tensors = [tensor for tensor in plain if tensor.dtype in OTHERS]
    before = [tensor.data for tensor in tensors]

    def undo() -> None:
        for tensor, data in zip(tensors, before, strict=True):
            tensor.data = data

    for tensor in tensors:
        tensor.data = tensor.data.float()
    return undo


def _takes(module: nn.Module, x: Tensor) -> bool:
    """Whether the module answers some inputs, (n, *shape), without an error."""
    try:
        with eval_mode(module), torch.no_grad():
            module(x[:TRIED_INPUTS].to(device_of(module)))
    except Exception:  # a user's code may raise anything; `check_model` says what
        return False
    return True


def _make_cast(dtype: torch.dtype) -> Any:
    def cast(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (inputs[0].to(dtype), *inputs[1:])

    return cast


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
