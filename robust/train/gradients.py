"""How long the gradients of the layers are, and what that tells."""

import torch
from torch import Tensor, nn

VANISHING, EXPLODING = 1e-7, 1e3  # of a layer's mean length over an epoch


class Lengths:
    """The mean over an epoch's steps; kept on the device, so that no step waits for it."""

    def __init__(self, module: nn.Module) -> None:
        self._learning = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
        self.clear()

    def clear(self) -> None:
        self.total = torch.zeros(len(self._learning), device=self._learning[0][1].device)
        self.steps = 0

    def add(self) -> None:
        """Take in the gradients that the parameters have now."""
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for _, p in self._learning]
        self.total += torch.stack(torch._foreach_norm(grads)).float()
        self.steps += 1

    def means(self) -> dict[str, float]:
        """By layer: what owns the parameters."""
        squares: dict[str, float] = {}
        for (name, _), mean in zip(self._learning, _floats(self.total / max(self.steps, 1)), strict=True):
            layer = name.rpartition(".")[0] or name
            squares[layer] = squares.get(layer, 0.0) + mean**2
        return {layer: square**0.5 for layer, square in squares.items()}


def describe_lengths(lengths: dict[str, float]) -> list[str]:
    """A line for gradients that vanish, and one for those that explode; none where neither is seen."""
    lines = []
    for word, which in (
        ("vanish", [layer for layer, length in lengths.items() if length < VANISHING]),
        ("explode", [layer for layer, length in lengths.items() if length > EXPLODING]),
    ):
        if which:
            example = f"{which[0]}: {lengths[which[0]]:.1g}"
            lines.append(f"the gradients {word} in {len(which)} of {len(lengths)} layers ({example})")
    return lines


def _floats(tensor: Tensor) -> list[float]:
    return [float(value) for value in tensor.cpu()]
