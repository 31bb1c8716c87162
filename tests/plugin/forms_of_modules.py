"""Forms in which people deploy a network: each a function from the network to the module that is loaded."""

import copy
import warnings
from typing import Any

import torch
from torch import Tensor, nn

HALVES_AND_DOUBLES = {
    "half": lambda net: net.half(),
    "bfloat16": lambda net: net.bfloat16(),
    "double": lambda net: net.double(),
    "one-layer-half": lambda net: (net[-1].half(), net)[1],
}


class Within(nn.Module):
    """A network in a module whose forward does something around it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network


class Autocast(Within):
    """A forward in autocast."""

    dtype = torch.bfloat16

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, self.dtype):
            return self.network(x)


class AutocastHalf(Autocast):
    dtype = torch.float16


class AutocastFloat(Autocast):
    """A forward in autocast that answers in float32."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).float()


class Cast(Within):
    """A network in another type, whose inputs forward converts."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__(network.to(dtype))
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x.to(self.dtype))


class CastFloat(Cast):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).float()


class HalfByHand(Cast):
    def forward(self, x: Tensor) -> Tensor:
        return self.network(x.half()).float()


LOW_PRECISION = {
    "autocast": Autocast,
    "autocast-half": AutocastHalf,
    "autocast-float": AutocastFloat,
    "half-inside": lambda net: HalfByHand(net, torch.float16),
    "cast-half": lambda net: CastFloat(net, torch.float16),
    "cast-bfloat16": lambda net: Cast(net, torch.bfloat16),
    "cast-double": lambda net: Cast(net, torch.float64),
}


def dynamic(net: nn.Module) -> nn.Module:
    """Return the network with linear layers in int8, whose scale is that of the batch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(net.eval(), {nn.Linear}, dtype=torch.qint8)


def static(net: nn.Module) -> nn.Module:
    """Return the network in int8 with scales that are fixed; it answers in float32."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapped = torch.ao.quantization.QuantWrapper(net).eval()
        wrapped.qconfig = torch.ao.quantization.get_default_qconfig("x86")
        prepared = torch.ao.quantization.prepare(wrapped)
        prepared(torch.rand(64, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
        return torch.ao.quantization.convert(prepared)


class Packed(Tensor):
    """A tensor of int8 with a scale that stands for one of float32, as torchao's."""

    values: Tensor
    scale: Tensor

    @staticmethod
    def __new__(cls, values: Tensor, scale: Tensor) -> "Packed":
        return Tensor._make_wrapper_subclass(cls, values.shape, dtype=torch.float32)

    def __init__(self, values: Tensor, scale: Tensor) -> None:
        self.values, self.scale = values, scale

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["values", "scale"], None

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.detach.default:
            return Packed(args[0].values, args[0].scale)
        plain = [one.values.float() * one.scale if isinstance(one, Packed) else one for one in args]
        return func(*plain, **(kwargs or {}))

    __torch_function__ = torch._C._disabled_torch_function_impl


def subclass(net: nn.Module) -> nn.Module:
    """Return the network with weights that are tensors of a class of their own; the gradient flows."""
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            scale = layer.weight.detach().abs().max() / 127
            values = (layer.weight.detach() / scale).round().to(torch.int8)
            layer.weight = nn.Parameter(Packed(values, scale), requires_grad=False)
    return net


QUANTISED = {"dynamic": dynamic, "static": static, "subclass": subclass}


class Child(Within):
    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)


def import_compiler() -> None:
    """Import all of the compiler, by using it; some of its files cannot be imported twice in a process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.compile(nn.Softplus())(torch.zeros(2))


def compile_quietly(what: Any) -> Any:
    """Return what torch.compile makes; its import gives warnings of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.compile(what)


def compiled_forward(net: nn.Module) -> nn.Module:
    net.forward = compile_quietly(net.forward)
    return net


def compiled_in_place(net: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net.compile()
    return net


COMPILED = {
    "compile": compile_quietly,
    "compiled-part": lambda net: Child(compile_quietly(net)),
    "compiled-forward": compiled_forward,
    "compiled-in-place": compiled_in_place,
}

FORMS = HALVES_AND_DOUBLES | LOW_PRECISION | QUANTISED | COMPILED


def make(net: nn.Module, form: str) -> nn.Module:
    """Return the network in a form."""
    return FORMS[form](copy.deepcopy(net))
