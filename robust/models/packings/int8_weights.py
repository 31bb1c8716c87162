"""int8-weights: the weights of linear and convolutional layers in int8; the network computes with floats."""

import torch
from torch import Tensor, nn

from robust.models.packings._weights import pack_weights
from robust.models.registry import PACKINGS


@PACKINGS.register("int8-weights")
def pack_int8_weights(module: nn.Module, x: Tensor) -> nn.Module:
    """Return a copy with weights in int8. The inputs x are not looked at."""
    del x
    return pack_weights(module, torch.int8, 127.0, "Int8WeightOnlyConfig")
