"""Windows of images: sums over every place that a window may have, and the pixels of one place for each image.

Shapes: `x` is (N, *channels, rows, columns); what belongs to pixels is (N, rows, columns), to places (N, rows - height
+ 1, columns - width + 1); `place` is (N,) int64, a window's row and column counted as one number.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

Size = tuple[int, int]  # height and width


def over_channels(values: Tensor) -> Tensor:
    """Sum values of the shape of x over the channels, (N, rows, columns), in float32 at least."""
    wide = values.to(torch.promote_types(values.dtype, torch.float32))
    return wide.flatten(1, -3).sum(1) if values.dim() > 3 else wide


def sum_windows(pixels: Tensor, size: Size) -> Tensor:
    """Return the sum over the window at every place."""
    return F.avg_pool2d(pixels[:, None], size, stride=1, divisor_override=1)[:, 0]


def find_best(pixels: Tensor, size: Size) -> Tensor:
    """Return the place whose window has the largest sum, (N,); the first of several."""
    return sum_windows(pixels, size).flatten(1).argmax(1)


def count_places(x: Tensor, size: Size) -> int:
    """Return how many places a window may have."""
    return math.prod(of - side + 1 for of, side in zip(x.shape[-2:], size, strict=True))


def mark_window(x: Tensor, place: Tensor, size: Size) -> Tensor:
    """Mark the pixels of the windows at these places, (N, *1, rows, columns) bool, to broadcast over the channels."""
    rows, columns = x.shape[-2:]
    across = columns - size[1] + 1
    top, left = (place // across)[:, None], (place % across)[:, None]
    row, column = torch.arange(rows, device=x.device), torch.arange(columns, device=x.device)
    tall = (row >= top) & (row < top + size[0])
    wide = (column >= left) & (column < left + size[1])
    return (tall[:, :, None] & wide[:, None, :]).reshape(len(x), *[1] * (x.dim() - 3), rows, columns)


def span(changed: Tensor) -> tuple[Tensor, Tensor]:
    """Return the height and the width of the smallest window that holds all marked pixels, (N,) each; 0 if none is."""
    heights, widths = (_extent(changed.any(axis)) for axis in (2, 1))
    return heights, widths


def _extent(marks: Tensor) -> Tensor:
    """Return how many places lie from the first to the last mark of each row, (N,)."""
    place = torch.arange(1, marks.shape[1] + 1, device=marks.device)
    last = (marks * place).amax(1)
    first = torch.where(marks, place, marks.shape[1] + 1).amin(1)
    return (last - first + 1).clamp_min(0)


def put_content(x: Tensor, content: Tensor, place: Tensor) -> Tensor:
    """Return x with a content, (N, channels, height, width), in the window at each place, (N,) int64."""
    height, width = content.shape[-2:]
    rows, columns = x.shape[-2:]
    across = columns - width + 1
    row = (torch.arange(rows, device=x.device) - (place // across)[:, None]).clamp(0, height - 1)
    column = (torch.arange(columns, device=x.device) - (place % across)[:, None]).clamp(0, width - 1)
    at = (row[:, :, None] * width + column[:, None, :]).flatten(1)[:, None].expand(-1, content.shape[1], -1)
    spread = content.flatten(2).gather(2, at).view(x.shape)
    return torch.where(mark_window(x, place, (height, width)), spread, x)
