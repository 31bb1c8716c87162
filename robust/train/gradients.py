"""The lengths of the layers' gradients, and the faults that they show."""

import torch
from torch import Tensor, nn

VANISHING, EXPLODING = 1e-7, 1e3  # bounds of a layer's mean length over an epoch


class Lengths:
    """The mean lengths of the gradients over an epoch's steps, kept on the device so that no step waits for them."""

    def __init__(self, module: nn.Module) -> None:
        self._learning = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
        self.clear()

    def clear(self) -> None:
        self.total = torch.zeros(len(self._learning), device=self._learning[0][1].device)
        self.steps = 0

    def add(self) -> None:
        """Add the lengths of the parameters' current gradients."""
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for _, p in self._learning]
        self.total += torch.stack(torch._foreach_norm(grads)).float()
        self.steps += 1

    def means(self) -> dict[str, float]:
        """Return the mean length by layer, the module that owns the parameters."""
        squares: dict[str, float] = {}
        for (name, _), mean in zip(self._learning, _floats(self.total / max(self.steps, 1)), strict=True):
            layer = name.rpartition(".")[0] or name
            squares[layer] = squares.get(layer, 0.0) + mean**2
        return {layer: square**0.5 for layer, square in squares.items()}


def find_faulty(lengths: dict[str, float]) -> dict[str, list[str]]:
    """Return the layers in which gradients "vanish" and those in which they "explode"."""
    return {
        "vanish": [layer for layer, length in lengths.items() if length < VANISHING],
        "explode": [layer for layer, length in lengths.items() if length > EXPLODING],
    }


def describe_lengths(lengths: dict[str, float]) -> list[str]:
    """Return one line if gradients vanish in some layers, and one if they explode in some."""
    lines = []
    for verb, layers in find_faulty(lengths).items():
        if layers:
            example = f"{layers[0]}: {lengths[layers[0]]:.1g}"
            lines.append(f"the gradients {verb} in {len(layers)} of {len(lengths)} layers ({example})")
    return lines


def _floats(tensor: Tensor) -> list[float]:
    return [float(value) for value in tensor.cpu()]
