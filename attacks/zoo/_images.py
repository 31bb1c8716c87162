"""Images, (n, channels, rows, columns), windows at a place of their own in each, and the bumps that fill them."""

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from robust.attacks.rng import Rng

Size = tuple[int, int]  # height and width


class Frame(NamedTuple):
    """The shape of an image."""

    channels: int
    rows: int
    columns: int


def frame_of(x: Tensor) -> Frame:
    """Return the shape of the images x, of any rank; a vector is an image of one row."""
    *channels, rows, columns = (1, 1, *x.shape[1:])
    return Frame(math.prod(channels), rows, columns)


def to_image(x: Tensor) -> Tensor:
    """Return x, of any rank, in the shape (n, channels, rows, columns)."""
    return x.reshape(len(x), *frame_of(x))


def draw_signs(rng: Rng, like: Tensor) -> Tensor:
    """Draw -1 or 1, of the shape, type and device of `like`."""
    return torch.where(rng.uniform(like) < 0.5, -1.0, 1.0).to(like)


class Windows(NamedTuple):
    """The draws of several steps: where the windows lie, and which way they change.

    A draw takes as long for many steps as for one, and for one step longer than the answer of a small model.
    """

    first: Tensor  # (n, steps, windows) int64: the position of the first pixel among those of a channel
    up: Tensor  # (n, steps, channels) int64: 0 or 1
    turned: Tensor  # (n, steps) int64: 0 or 1


def draw_windows(rng: Rng, frame: Frame, size: Size, steps: int, windows: int, device: torch.device) -> Windows:
    """Draw windows of this size within images, for so many steps."""
    shape = (len(rng.key), steps, 2 * windows + frame.channels + 1)
    draws = rng.uniform(torch.empty(shape, device=device))  # float32, as half precision has few places
    tops, lefts, others = draws[..., :windows], draws[..., windows : 2 * windows], draws[..., 2 * windows :]
    top, left = (
        (draw * (length - side + 1)).long().clamp_max(length - side)
        for draw, length, side in ((tops, frame.rows, size[0]), (lefts, frame.columns, size[1]))
    )
    ups = (others < 0.5).long()
    return Windows(top * frame.columns + left, ups[..., :-1], ups[..., -1])


@lru_cache(32)
def window_pixels(size: Size, frame: Frame, device: torch.device) -> Tensor:
    """Return the positions of a window's pixels in an image, (channels * height * width,) int64, less the first's."""
    channels, rows, columns = (torch.arange(length, device=device) for length in (frame.channels, *size))
    places = channels[:, None, None] * (frame.rows * frame.columns) + rows[:, None] * frame.columns + columns
    return places.flatten()


@lru_cache(32)
def make_bumps(size: Size, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Make two bumps, (2, height, width), each of l2 length 1: a hill above its negative, and one beside it."""
    height, width = size
    upright = torch.cat((_hill(height // 2, width), -_hill(height - height // 2, width)), 0)
    abreast = torch.cat((_hill(height, width // 2), -_hill(height, width - width // 2)), 1)
    both = torch.stack((upright, abreast))
    return (both / both.square().sum((1, 2), keepdim=True).sqrt()).to(device, dtype)


def _hill(height: int, width: int) -> Tensor:
    """Make a hill, (height, width), of length 1: the height at Chebyshev distance d is the sum of 1 / i**2, i > d."""
    row = (torch.arange(height, device="cpu") - height // 2).abs()
    column = (torch.arange(width, device="cpu") - width // 2).abs()
    farthest = max(height // 2, width // 2) + 1
    steps = 1 / torch.arange(1, farthest + 1, dtype=torch.float64, device="cpu").square()
    hill = steps.flip(0).cumsum(0).flip(0)[torch.maximum(row[:, None], column)]
    return hill / hill.square().sum().sqrt()
