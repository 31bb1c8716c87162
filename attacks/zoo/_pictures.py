"""Windows and bumps in pictures, (n, channels, rows, columns), each sample's somewhere else."""

import torch
from torch import Tensor

from robust.attacks.rng import Rng


def picture(x: Tensor) -> Tensor:
    """(n, channels, rows, columns), whatever the rank of x: a vector is a picture of one row."""
    return x.reshape(len(x), -1, *((1,) * (3 - x.dim())), *x.shape[max(1, x.dim() - 2) :])


def signs(rng: Rng, like: Tensor) -> Tensor:
    """-1 or 1, of the shape, type and device of `like`."""
    return torch.where(rng.uniform(like) < 0.5, -1.0, 1.0).to(like)


def corners(rng: Rng, like: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """(top, left), each (n, 1): where in each picture of `like` a window of that size begins."""
    first = like[:, 0, 0, :1]
    top, left = (
        (rng.fold(i).uniform(first) * (many - wide + 1)).long().clamp_max(many - wide)
        for i, (many, wide) in enumerate(zip(like.shape[2:], size, strict=True))
    )
    return top, left


def inside(like: Tensor, corner: tuple[Tensor, Tensor], size: tuple[int, int]) -> Tensor:
    """(n, 1, rows, columns) bool: the windows of that size at these corners."""
    rows, columns = (
        (torch.arange(many, device=like.device) >= first) & (torch.arange(many, device=like.device) < first + wide)
        for many, first, wide in zip(like.shape[2:], corner, size, strict=True)
    )
    found: Tensor = rows[:, None, :, None] & columns[:, None, None, :]
    return found


def put(tile: Tensor, like: Tensor, corner: tuple[Tensor, Tensor]) -> Tensor:
    """(n, 1, rows, columns): the tiles, (n, height, width), at these corners on a ground of zeros."""
    size = (tile.shape[1], tile.shape[2])
    row, column = (
        (torch.arange(many, device=like.device) - first).clamp(0, wide - 1)
        for many, first, wide in zip(like.shape[2:], corner, size, strict=True)
    )
    spread = tile.gather(1, row[:, :, None].expand(-1, -1, size[1]))
    spread = spread.gather(2, column[:, None, :].expand(-1, spread.shape[1], -1))
    found: Tensor = spread[:, None] * inside(like, corner, size)
    return found


def bumps(size: tuple[int, int], like: Tensor) -> Tensor:
    """(2, height, width): a hill beside a hollow as long, above each other and side by side; the whole of length 1."""
    height, width = size
    upright = torch.cat((_hill(height // 2, width, like), -_hill(height - height // 2, width, like)), 0)
    abreast = torch.cat((_hill(height, width // 2, like), -_hill(height, width - width // 2, like)), 1)
    both = torch.stack((upright, abreast))
    return both / both.square().sum((1, 2), keepdim=True).sqrt()


def _hill(height: int, width: int, like: Tensor) -> Tensor:
    """(height, width), of length 1: at Chebyshev distance d from the middle as high as the sum of 1 / i**2, i > d."""
    row = (torch.arange(height, device=like.device) - height // 2).abs()
    column = (torch.arange(width, device=like.device) - width // 2).abs()
    farthest = max(height // 2, width // 2) + 1
    steps = 1 / torch.arange(1, farthest + 1, dtype=like.dtype, device=like.device).square()
    hill = steps.flip(0).cumsum(0).flip(0)[torch.maximum(row[:, None], column)]
    return hill / hill.square().sum().sqrt()
