"""Inputs as images, for the convolutional models and the ViT."""

from torch import Tensor

from robust.models.registry import UnfitError


def image_size(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return (channels, height, width) of images, with one channel if the shape has none; UnfitError otherwise."""
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise UnfitError(f"needs images, (channels, height, width) or (height, width), got inputs of {list(shape)}")
    channels, height, width = (1, *shape)[-3:]
    return channels, height, width


def as_images(x: Tensor) -> Tensor:
    """Return (n, channels, height, width), from that or from (n, height, width)."""
    return x if x.dim() == 4 else x[:, None]
