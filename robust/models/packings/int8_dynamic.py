"""int8-dynamic: linear layers in int8, whose inputs are quantised as they come, by torch.ao.quantization.

The scale of an input is that of its whole batch, so an answer depends on what else is in the batch. No gradient passes.
"""

import copy

import torch
from torch import Tensor, nn

from robust.models.packing import LINEAR
from robust.models.registry import PACKINGS


@PACKINGS.register("int8-dynamic")
def pack_dynamic(module: nn.Module, x: Tensor) -> nn.Module:
    """Return a copy with int8 linear layers; ValueError if there are none. The inputs x are not looked at."""
    del x
    from torch.ao.quantization import quantize_dynamic

    if not any(type(part) in LINEAR for part in module.modules()):
        raise ValueError("has no linear layer, and int8=dynamic packs these alone; take int8=static or int8=weights")
    whole = nn.Sequential(copy.deepcopy(module))
    packed: nn.Module = quantize_dynamic(whole, {*LINEAR}, dtype=torch.qint8)[0]  # type: ignore[no-untyped-call]
    return packed
