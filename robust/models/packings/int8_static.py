"""int8-static: linear and convolutional layers in int8, with scales of activations that a calibration has measured.

By torch.ao.quantization, layer by layer: each quantises its input and gives floats again, so nothing is traced. The
kernels are those of this processor (fbgemm on x86). No gradient passes.
"""

import torch
from torch import Tensor, nn

from robust.models.packing import CONVOLUTIONS, LINEAR, swap_layers
from robust.models.registry import PACKINGS


@PACKINGS.register("int8-static")
def pack_static(module: nn.Module, x: Tensor) -> nn.Module:
    """Return a copy with int8 layers, calibrated on the inputs x, (n, *shape)."""
    from torch.ao.quantization import QuantWrapper, convert, get_default_qconfig, prepare

    engine = torch.backends.quantized.engine
    config = get_default_qconfig(engine)  # type: ignore[no-untyped-call]

    def wrap(layer: nn.Module) -> nn.Module:
        wrapper = QuantWrapper(layer)
        wrapper.qconfig = config
        return wrapper

    prepared = prepare(nn.Sequential(swap_layers(module, (*LINEAR, *CONVOLUTIONS), wrap)))  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for batch in torch.split(x, 64):
            prepared(batch)
    packed: nn.Module = convert(prepared)[0]  # type: ignore[no-untyped-call]
    return packed
