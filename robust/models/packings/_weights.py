"""Layers whose weights alone are stored in 8 bits: torchao's for linear layers, our own for convolutions.

They compute with floats, so the gradient of the packed network reaches its inputs.
"""

from typing import Any

import torch
from torch import Tensor, nn

from robust.models.packing import CONVOLUTIONS, LINEAR, silently, swap_layers
from robust.user_code import is_installed

TINY = 1e-12  # the least largest weight of a channel: a channel of zeros has a scale, too


class PackedConvolution(nn.Module):
    """A convolution whose weights are stored in 8 bits with one scale for each output channel."""

    packed: Tensor  # (out, in, *kernel), int8 or float8
    scale: Tensor  # (out, 1, ...)

    def __init__(self, layer: nn.Module, dtype: torch.dtype, largest: float) -> None:
        """Take a convolution; `largest` is the largest number of the type."""
        super().__init__()
        weight = layer.weight.detach()  # type: ignore[operator]
        scale = weight.flatten(1).abs().amax(1).clamp_min(TINY).div(largest).view(-1, *[1] * (weight.dim() - 1))
        steps = weight / scale
        self.register_buffer("packed", (steps if dtype.is_floating_point else steps.round()).to(dtype))
        self.register_buffer("scale", scale)
        del layer.weight
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        weight = self.packed.to(self.scale.dtype) * self.scale
        answer: Tensor = self.layer._conv_forward(x, weight, self.layer.bias)  # type: ignore[operator]
        return answer


def pack_weights(module: nn.Module, dtype: torch.dtype, largest: float, config: str) -> nn.Module:
    """Return a copy with packed weights; `config` is the name of torchao's for linear layers.

    LookupError if there are linear layers, and torchao is not installed.
    """

    def make(layer: nn.Module) -> nn.Module:
        return _pack_linear(layer, config) if type(layer) in LINEAR else PackedConvolution(layer, dtype, largest)

    return swap_layers(module, (*LINEAR, *CONVOLUTIONS), make)


def _pack_linear(layer: nn.Module, config: str) -> nn.Module:
    if not is_installed("torchao"):
        raise LookupError("torchao packs linear layers so, and is not installed; pip install 'pytest-robust[compress]'")
    with silently():
        from torchao import quantization

    settings: Any = getattr(quantization, config)()
    whole = nn.Sequential(layer)
    quantization.quantize_(whole, settings)
    return whole[0]
