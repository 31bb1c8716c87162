"""Windows and bumps in images, (n, channels, rows, columns), at a place of its own in each sample."""

import torch
from torch import Tensor

from robust.attacks.rng import Rng


def to_image(x: Tensor) -> Tensor:
    """Return x, of any rank, in the shape (n, channels, rows, columns); a vector is an image of one row."""
    return x.reshape(len(x), -1, *((1,) * (3 - x.dim())), *x.shape[max(1, x.dim() - 2) :])


def draw_signs(rng: Rng, like: Tensor) -> Tensor:
    """Draw -1 or 1, of the shape, type and device of `like`."""
    return torch.where(rng.uniform(like) < 0.5, -1.0, 1.0).to(like)


def draw_corners(rng: Rng, like: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Draw (top, left), each (n, 1) int64: the corner of a window of (height, width) in each image of `like`."""
    first = like[:, 0, 0, :1]
    top, left = (
        (rng.fold(i).uniform(first) * (length - side + 1)).long().clamp_max(length - side)
        for i, (length, side) in enumerate(zip(like.shape[2:], size, strict=True))
    )
    return top, left


def mask_window(like: Tensor, corner: tuple[Tensor, Tensor], size: tuple[int, int]) -> Tensor:
    """Mark the window of (height, width) at the corner of each image of `like`, (n, 1, rows, columns) bool."""
    rows, columns = (
        (torch.arange(length, device=like.device) >= first) & (torch.arange(length, device=like.device) < first + side)
        for length, first, side in zip(like.shape[2:], corner, size, strict=True)
    )
    mask: Tensor = rows[:, None, :, None] & columns[:, None, None, :]
    return mask


def place_tiles(tile: Tensor, like: Tensor, corner: tuple[Tensor, Tensor]) -> Tensor:
    """Put the tiles, (n, height, width), at these corners on zeros, (n, 1, rows, columns)."""
    size = (tile.shape[1], tile.shape[2])
    row, column = (
        (torch.arange(length, device=like.device) - first).clamp(0, side - 1)
        for length, first, side in zip(like.shape[2:], corner, size, strict=True)
    )
    spread = tile.gather(1, row[:, :, None].expand(-1, -1, size[1]))
    spread = spread.gather(2, column[:, None, :].expand(-1, spread.shape[1], -1))
    placed: Tensor = spread[:, None] * mask_window(like, corner, size)
    return placed


def make_bumps(size: tuple[int, int], like: Tensor) -> Tensor:
    """Make two bumps, (2, height, width), each of l2 length 1: a hill above its negative, and one beside it."""
    height, width = size
    upright = torch.cat((_hill(height // 2, width, like), -_hill(height - height // 2, width, like)), 0)
    abreast = torch.cat((_hill(height, width // 2, like), -_hill(height, width - width // 2, like)), 1)
    both = torch.stack((upright, abreast))
    return both / both.square().sum((1, 2), keepdim=True).sqrt()


def _hill(height: int, width: int, like: Tensor) -> Tensor:
    """Make a hill, (height, width), of length 1: the height at Chebyshev distance d is the sum of 1 / i**2, i > d."""
    row = (torch.arange(height, device=like.device) - height // 2).abs()
    column = (torch.arange(width, device=like.device) - width // 2).abs()
    farthest = max(height // 2, width // 2) + 1
    steps = 1 / torch.arange(1, farthest + 1, dtype=like.dtype, device=like.device).square()
    hill = steps.flip(0).cumsum(0).flip(0)[torch.maximum(row[:, None], column)]
    return hill / hill.square().sum().sqrt()
