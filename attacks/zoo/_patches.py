"""The contents of patches, (n, channels, height, width), as random search changes them, and where they lie."""

import math

import torch
from torch import Tensor

from robust.attacks.rng import Rng
from robust.attacks.threats.patch import PatchThreat
from robust.attacks.threats.windows import Size

SQUARES = 12  # that are drawn over each other to begin with
AREA = 0.4  # of the first squares, as a share of the window


def draw_content(rng: Rng, like: Tensor, threat: PatchThreat, kind: int) -> Tensor:
    """Draw a content of the shape of `like`, by its kind: 0 is the upper bound, 1 the lower, 2 squares of colours."""
    content = torch.full_like(like, threat.hi if kind == 0 else threat.lo)
    for j in range(SQUARES if kind == 2 else 0):
        share = 1.0 if j == 0 else AREA * (1 - j / SQUARES)
        content = recolour(content, rng.fold(j), side_of((like.shape[-2], like.shape[-1]), share), threat)
    return content


def recolour(content: Tensor, rng: Rng, side: Size, threat: PatchThreat) -> Tensor:
    """Give a square within each content one colour, each channel at a bound; a single pixel changes in any case."""
    _, channels, height, width = content.shape
    draws = _draw(rng, content, 2 + channels)
    top = (draws[:, 0] * (height - side[0] + 1)).long().clamp_max(height - side[0])
    left = (draws[:, 1] * (width - side[1] + 1)).long().clamp_max(width - side[1])
    colour = torch.where(draws[:, 2:, None, None] < 0.5, threat.lo, threat.hi).to(content)
    if side == (1, 1):
        most = draws[:, 2:].argmax(1)[:, None]
        flipped = torch.where(content > (threat.lo + threat.hi) / 2, threat.lo, threat.hi).to(content)
        turns = (draws[:, 2:] < 0.5) | (torch.arange(channels, device=content.device) == most)
        colour = torch.where(turns[:, :, None, None], flipped, content)
    row, column = (torch.arange(length, device=content.device) for length in (height, width))
    tall = (row >= top[:, None]) & (row < top[:, None] + side[0])
    wide = (column >= left[:, None]) & (column < left[:, None] + side[1])
    return torch.where((tall[:, :, None] & wide[:, None, :])[:, None], colour, content)


def move(place: Tensor, rng: Rng, x: Tensor, size: Size, share: float) -> Tensor:
    """Move windows in images of the shape of x by up to that share of them, (n,) int64, one pixel at least."""
    draws = 2 * _draw(rng, place, 2) - 1
    rows, columns = x.shape[-2:]
    across, down = columns - size[1] + 1, rows - size[0] + 1
    top, left = place // across, place % across
    top = (top + (draws[:, 0] * max(1.0, share * down)).round().long()).clamp(0, down - 1)
    left = (left + (draws[:, 1] * max(1.0, share * across)).round().long()).clamp(0, across - 1)
    return top * across + left


def side_of(size: Size, share: float) -> Size:
    """Return (height, width) of a square of that share of a window, one pixel at least."""
    side = math.sqrt(share * size[0] * size[1])
    return min(size[0], max(1, round(side))), min(size[1], max(1, round(side)))


def _draw(rng: Rng, like: Tensor, count: int) -> Tensor:
    """Draw numbers in [0, 1), (n, count) float32."""
    return rng.uniform(torch.zeros(len(like), count, device=like.device))
