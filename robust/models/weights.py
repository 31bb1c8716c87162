"""The parameters of a module, also those that torch does not list: packed, quantised, tensors of other classes.

`state_dict` of such a module holds tuples, objects of TorchScript and tensors without a storage. They are taken apart
into plain tensors and values, so that two models have two hashes.
"""

import hashlib
import pickle
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from robust.attacks.drawn import Drawn

ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # in the default repr of an object: another one in each process
SMALL_TYPES = (torch.int8, torch.uint8, torch.float8_e4m3fn, torch.float8_e5m2)


def hash_weights(module: nn.Module) -> str:
    """Return the SHA-256 of all parameters and buffers with their names, also the buffers that no state dict holds."""
    sha = hashlib.sha256()
    for name, part in _parts_of(_state(_without_draws(module))):
        if isinstance(part, Tensor):
            flat = part.detach().cpu().contiguous().reshape(-1)
            sha.update(f"{name} {flat.dtype} {list(part.shape)}".encode())
            sha.update(flat.view(torch.uint8).numpy().data)
        else:
            sha.update(f"{name} {part}".encode())
    return sha.hexdigest()


def count_parameters(module: nn.Module) -> int:
    """Return the number of parameters: those that torch lists, and the tensors that are packed beside them."""
    module = _without_draws(module)
    listed = {name for name, _ in (*module.named_parameters(remove_duplicate=False), *module.named_buffers())}
    packed = {name: value for name, value in _state(module).items() if name not in listed}
    tensors = [part for _, part in _parts_of(packed, inside=False) if isinstance(part, Tensor) and part.dim()]
    return sum(tensor.numel() for tensor in (*module.parameters(), *tensors))


def _without_draws(module: nn.Module) -> nn.Module:
    """Return the model itself: how the answers of a random one are formed is none of its weights."""
    inner = module.inner if isinstance(module, Drawn) else module
    return inner if isinstance(inner, nn.Module) else module


def is_packed(module: nn.Module) -> bool:
    """Whether some parameters are quantised, or packed into other objects than plain tensors of numbers."""
    return any(
        not isinstance(value, Tensor)
        or not has_storage(value)
        or value.is_quantized
        or value.layout is not torch.strided
        or (value.dtype in SMALL_TYPES and value.dim() > 1)
        for value in _state(module).values()
    )


def has_storage(tensor: Tensor) -> bool:
    """Whether the numbers of a tensor lie in a storage of its own, as those of some classes of tensors do not."""
    try:
        return tensor.layout is torch.strided and tensor.untyped_storage().data_ptr() >= 0
    except (RuntimeError, NotImplementedError):
        return False


def _state(module: nn.Module) -> dict[str, Any]:
    return dict(sorted({**dict(module.named_buffers()), **module.state_dict()}.items()))


def _parts_of(state: Mapping[str, Any], *, inside: bool = True) -> Iterator[tuple[str, Any]]:
    for name, value in state.items():
        yield from _parts(name, value, inside=inside)


def _parts(name: str, value: Any, *, inside: bool) -> Iterator[tuple[str, Any]]:
    """Yield plain tensors and texts with their names; of a tensor that holds others only itself, if not `inside`."""
    if isinstance(value, Tensor):
        yield from _parts_of_tensor(name, value) if inside else [(name, value)]
    elif isinstance(value, Mapping):
        yield from _parts_of({f"{name}.{key}": part for key, part in value.items()}, inside=inside)
    elif isinstance(value, tuple | list):
        yield from _parts_of({f"{name}.{k}": part for k, part in enumerate(value)}, inside=inside)
    elif isinstance(value, torch.ScriptObject):
        yield from _parts(name, value.__getstate__(), inside=inside)
    elif value is None or isinstance(value, str | int | float | bool | torch.dtype):
        yield name, repr(value)
    else:
        yield name, _describe(value)


def _parts_of_tensor(name: str, tensor: Tensor) -> Iterator[tuple[str, Any]]:
    if tensor.is_quantized:
        yield f"{name}.{tensor.qscheme()}", tensor.int_repr()
        if tensor.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
            yield name, f"{tensor.q_scale()} {tensor.q_zero_point()}"
        else:
            yield f"{name}.scales {tensor.q_per_channel_axis()}", tensor.q_per_channel_scales()
            yield f"{name}.zero_points", tensor.q_per_channel_zero_points()
    elif tensor.layout is not torch.strided:
        yield f"{name}.{tensor.layout}", tensor.to_dense()
    elif has_storage(tensor):
        yield name, tensor
    else:
        names, context = tensor.__tensor_flatten__() if hasattr(tensor, "__tensor_flatten__") else ([*vars(tensor)], "")
        yield name, f"{type(tensor).__name__} {_describe(context)}"
        yield from _parts_of({f"{name}.{inner}": getattr(tensor, inner) for inner in names})


def _describe(value: object) -> str:
    """Return a text that tells a value from another, alike in every process."""
    text = ADDRESS.sub("", repr(value))
    if text != repr(value):
        try:
            return hashlib.sha256(pickle.dumps(value)).hexdigest()
        except Exception:  # of what cannot be pickled its class is left
            return text
    return text
