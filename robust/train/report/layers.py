"""Statistics of a network's layers and its dead units, taken from outside while it answers; the network stays as it is.

A hook on each module tells where the network is. What `torch` returns there shows activations that are functions, too.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# Functions that let little through below 0; the modules of torch.nn call them, too.
RELU_LIKE = frozenset(
    ("relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "celu", "selu", "gelu", "silu", "mish", "hardswish")
)
# The axis of the units in what these functions return; it holds for the activation that follows.
UNIT_AXIS = {
    **dict.fromkeys(("linear", "layer_norm", "rms_norm"), -1),
    **dict.fromkeys((f"conv{transposed}{d}d" for transposed in ("", "_transpose") for d in (1, 2, 3)), 1),
    **dict.fromkeys(("batch_norm", "group_norm", "instance_norm"), 1),
}


@dataclass(frozen=True, slots=True)
class Layer:
    """Statistics of a layer's outputs, over all values of some samples."""

    name: str
    kind: str  # "Linear", "ReLU"; "relu" for a function
    size: int  # the number of the values
    mean: float
    variance: float
    zeros: int
    largest: float  # absolute value
    peaks: Tensor | None = None  # (units,): the largest output of each unit of a ReLU or its like; None of other layers

    @property
    def deviation(self) -> float:
        """The standard deviation of the values."""
        return sqrt(self.variance)

    @property
    def zero_share(self) -> float:
        """The share of the values that are 0."""
        return self.zeros / self.size

    @property
    def units(self) -> int:
        """The number of units of a ReLU or its like; 0 of other layers."""
        return 0 if self.peaks is None else len(self.peaks)

    @property
    def dead(self) -> int:
        """The number of units that are above 0 on no sample."""
        return 0 if self.peaks is None else int((self.peaks <= 0).sum())

    def join(self, other: "Layer") -> "Layer":
        """Return the statistics over the values of both."""
        size, gap = self.size + other.size, other.mean - self.mean
        squares = self.size * self.variance + other.size * other.variance + gap**2 * self.size * other.size / size
        peaks = None
        if self.peaks is not None and other.peaks is not None and len(self.peaks) == len(other.peaks):
            peaks = torch.maximum(self.peaks, other.peaks)
        return Layer(
            self.name,
            self.kind,
            size,
            self.mean + gap * other.size / size,
            squares / size,
            self.zeros + other.zeros,
            max(self.largest, other.largest),
            peaks,
        )


def measure_layer(name: str, kind: str, output: Tensor, axis: int | None = None) -> Layer:
    """Return the statistics of an output, (n, ...), with its units along `axis` if it is of a ReLU or its like."""
    values = output.detach().float()
    variance, mean = torch.var_mean(values, correction=0)
    peaks = None if axis is None else values.movedim(axis, 0).flatten(1).amax(1).cpu()
    zeros, largest = int((values == 0).sum()), float(values.abs().amax())
    return Layer(name, kind, values.numel(), float(mean), float(variance), zeros, largest, peaks)


def join_layers(batches: Iterable[dict[str, Layer]]) -> list[Layer]:
    """Return the statistics of each layer over all batches, in the order in which the network runs."""
    joined: dict[str, Layer] = {}
    for batch in batches:
        for name, layer in batch.items():
            joined[name] = joined[name].join(layer) if name in joined else layer
    return [*joined.values()]


def watch(module: nn.Module, x: Tensor) -> tuple[Tensor, dict[str, Layer]]:
    """Return a module's answer to x, (n, *features), and the statistics of its layers, by their names."""
    watcher = _Watcher()
    with ExitStack() as stack:
        for name, part in module.named_modules():
            if not isinstance(part, torch.jit.ScriptModule):  # its parts run where no hook is called
                for handle in watcher.attach(name, part):
                    stack.callback(handle.remove)
        stack.enter_context(watcher)
        answer: Tensor = module(x.clone())
    return answer, watcher.layers


@dataclass(slots=True)
class _Place:
    """A module that the network is in."""

    name: str
    part: nn.Module
    leaf: bool
    noted: bool = False  # whether it is a ReLU or its like, and its function was seen


class _Watcher(TorchFunctionMode):
    """A watch on the modules and the functions of one forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.layers: dict[str, Layer] = {}
        self._inside: list[_Place] = []
        self._axis = 1

    def attach(self, name: str, part: nn.Module) -> list[Any]:
        """Return the handles of the hooks that tell when the network is in a part."""

        def enter(*given: object) -> None:
            self._inside.append(_Place(name, part, leaf=not any(part.children())))

        def leave(part: nn.Module, given: object, output: Any) -> None:
            place, first = self._inside.pop(), output[0] if isinstance(output, tuple) and output else output
            if place.leaf and not place.noted:
                self._note(name or type(part).__name__, type(part).__name__, first)

        return [part.register_forward_pre_hook(enter), part.register_forward_hook(leave)]

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "").rstrip("_")
        if name in UNIT_AXIS:
            self._axis = UNIT_AXIS[name]
        elif name in RELU_LIKE:
            self._note_activation(name, output)
        return output

    def _note_activation(self, function: str, output: Any) -> None:
        place = self._inside[-1] if self._inside else _Place("", nn.Identity(), leaf=False)
        if place.leaf:
            place.noted = True
            self._note(place.name or function, type(place.part).__name__, output, self._axis)
        else:
            self._note(f"{place.name}.{function}".lstrip("."), function, output, self._axis)

    def _note(self, name: str, kind: str, output: Any, axis: int | None = None) -> None:
        """Keep the statistics of an output, under a name of its own if the module was called before."""
        if not isinstance(output, Tensor) or not output.is_floating_point() or output.dim() < 2 or not output.numel():
            return
        calls = (f"{name} ({k})" for k in count(2))
        own = name if name not in self.layers else next(call for call in calls if call not in self.layers)
        self.layers[own] = measure_layer(own, kind, output, axis)
