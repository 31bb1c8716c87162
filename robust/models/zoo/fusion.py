"""fusion: a small network of several inputs, a branch for each, whose features are joined."""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from robust.attacks.layout import InputPart, Layout
from robust.models.registry import ARCHITECTURES, UnfitError, check_whole
from robust.models.zoo._image import as_images, image_size


@ARCHITECTURES.register("fusion")
class Fusion(nn.Module):
    """Convolutions for each image and a layer for each other input; their features go through two linear layers."""

    takes_layout: ClassVar[bool] = True  # in place of a shape

    def __init__(self, shape: object, classes: int, width: int = 32) -> None:
        super().__init__()
        check_whole(width=width)
        if not isinstance(shape, Layout):
            raise UnfitError(f"is for several inputs, as a dict or a tuple of the data, got one of {shape}")
        self.names = shape.names
        self.branches = nn.ModuleList(_make_branch(part, width) for part in shape.parts)
        self.head = nn.Sequential(
            nn.Linear(2 * width * len(self.names), 2 * width), nn.ReLU(), nn.Linear(2 * width, classes)
        )

    def forward(self, *parts: Tensor, **named: Tensor) -> Tensor:
        """Return the logits for parts in their order, or by their names."""
        inputs = [named[name] for name in self.names] if named else parts
        features = [branch(x) for branch, x in zip(self.branches, inputs, strict=True)]
        logits: Tensor = self.head(torch.cat(features, 1))
        return logits


class _Scale(nn.Module):
    """Scale floats to their bounds, and whole numbers by what a training has seen of them."""

    def __init__(self, part: InputPart) -> None:
        super().__init__()
        self.lo, self.width = part.lo, part.hi - part.lo
        self.norm = None if part.is_float else nn.BatchNorm1d(part.size, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.norm is None:
            return (x - self.lo) / self.width
        scaled: Tensor = self.norm(x.reshape(len(x), -1).float())
        return scaled


def _make_branch(part: InputPart, width: int) -> nn.Module:
    """Return a module from a part to 2 * `width` features."""
    if part.is_float and len(part.shape) in (2, 3) and min(part.shape[-2:]) > 1:
        channels, high, wide = image_size(part.shape)
        size = width * ((high + 1) // 2) * ((wide + 1) // 2)
        first, second = nn.Conv2d(channels, width, 3, padding=1), nn.Conv2d(width, width, 3, stride=2, padding=1)
        layers = [_Images(), first, nn.ReLU(), second, nn.ReLU(), nn.Flatten(), nn.Linear(size, 2 * width)]
        return nn.Sequential(_Scale(part), *layers, nn.ReLU())
    flatten = [nn.Flatten()] if part.is_float and part.shape else [nn.Unflatten(0, (-1, 1))] if part.is_float else []
    return nn.Sequential(_Scale(part), *flatten, nn.Linear(math.prod(part.shape), 2 * width), nn.ReLU())


class _Images(nn.Module):
    """Images with a channel axis."""

    def forward(self, x: Tensor) -> Tensor:
        return as_images(x)
