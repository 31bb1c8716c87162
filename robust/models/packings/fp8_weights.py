"""fp8-weights: the weights of linear and convolutional layers in float8 (e4m3); the network computes with floats."""

import torch
from torch import Tensor, nn

from robust.models.packings._weights import pack_weights
from robust.models.registry import PACKINGS

TYPE = torch.float8_e4m3fn


@PACKINGS.register("fp8-weights")
def pack_fp8_weights(module: nn.Module, x: Tensor) -> nn.Module:
    """Return a copy with weights in float8. The inputs x are not looked at."""
    del x
    return pack_weights(module, TYPE, torch.finfo(TYPE).max, "Float8WeightOnlyConfig")
