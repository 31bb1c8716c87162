"""Inputs as pictures: what the convolutional models and the ViT have in common."""

from torch import Tensor

from robust.models.registry import UnfitError


def image_size(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(channels, height, width) of inputs of this shape; without channels they are grey. UnfitError for others."""
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise UnfitError(f"needs pictures, (channels, height, width) or (height, width), got inputs of {list(shape)}")
    channels, height, width = (1, *shape)[-3:]
    return channels, height, width


def as_images(x: Tensor) -> Tensor:
    """(n, channels, height, width), from that or from (n, height, width)."""
    return x if x.dim() == 4 else x[:, None]
