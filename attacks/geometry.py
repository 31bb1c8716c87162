"""Geometry of the norms linf, l2 and l1, on flat tensors (N, features); lengths are (N,)."""

import math
from typing import Literal

import torch
from torch import Tensor

from robust.attacks.rng import Rng, widened

Norm = Literal["linf", "l2", "l1"]


def length_of(norm: Norm, d: Tensor) -> Tensor:
    """Return ||d|| for each sample, (N,)."""
    match norm:
        case "linf":
            return d.abs().amax(1)
        case "l2":
            return d.square().sum(1).sqrt()
        case "l1":
            return d.abs().sum(1)


def dual(norm: Norm, g: Tensor) -> Tensor:
    """Return max of <g, d> over ||d|| <= 1, (N,): the dual norm of g."""
    other: dict[Norm, Norm] = {"linf": "l1", "l2": "l2", "l1": "linf"}
    return length_of(other[norm], g)


def onto_l1(d: Tensor, room: Tensor, radius: float | Tensor) -> Tensor:
    """Project d, (N, features), onto the l1 ball of a radius, a number or (N, 1), within a box.

    Return argmin of ||d' - d||_2 over ||d'||_1 <= radius where d' has the signs of d and |d'| <= room, (N, features).
    The solution is clamp(|d| - t, 0, room) with one threshold t for each sample (Croce and Hein 2021, 2103.01208). Its
    length decreases piecewise linearly in t, with a bend at every |d| and |d| - room, so t is sought among these, as
    Duchi et al. 2008 do without a box.
    """
    size = d.abs()
    bends, order = torch.cat((size, size - room), 1).sort(dim=1, descending=True)
    slope = torch.where(order < d.shape[1], 1.0, -1.0).to(d.dtype)
    slopes, offsets = slope.cumsum(1), (slope * bends).cumsum(1)
    lengths = offsets - bends * slopes  # at t = each of the bends, increasing along the row
    last = (lengths < radius).sum(1, keepdim=True).clamp(1, bends.shape[1]) - 1
    steep = slopes.gather(1, last).clamp_min(1)
    threshold = ((offsets.gather(1, last) - radius) / steep).clamp_min(0)
    projected = torch.minimum((size - threshold).clamp_min(0), room)
    # Far from the ball the difference above loses digits, so the length is corrected once more.
    length = projected.sum(1, keepdim=True).clamp_min(_tiny(d))
    return d.sign() * projected * (radius / length).clamp_max(1)


def laplace(rng: Rng, like: Tensor) -> Tensor:
    """Draw Laplace numbers like `like`, (N, features); scaled to length 1 they are uniform on the l1 sphere."""
    wide = like.to(widened(like.dtype))
    magnitude = -torch.log1p(-rng.fold(0).uniform(wide))
    return (magnitude * torch.where(rng.fold(1).uniform(wide) < 0.5, -1.0, 1.0)).to(like)


def to_plane(norm: Norm, slope: Tensor, room: Tensor, gain: Tensor) -> Tensor:
    """Return argmin of ||d|| over 0 <= d <= room with <slope, d> = gain, (N, features); `room` if none gains so much.

    slope and room are (N, features) and not negative, gain is (N, 1). For l1 the steepest coordinates are filled first.
    For the others d is min(t * v, room), where v is 1 for linf and the slope for l2: the gain grows piecewise linearly
    in t, with a bend where a coordinate reaches its room (Hein and Andriushchenko 2017, 1705.08475). It is concave, so
    Newton's steps from 0 rise to the solution and end there, mostly after three: less work than to sort the bends.
    """
    room = room * (slope > 0)
    if norm == "l1":
        order = slope.argsort(dim=1, descending=True)
        steep, limit = slope.gather(1, order), room.gather(1, order)
        before = (steep * limit).cumsum(1) - steep * limit
        move = torch.minimum(((gain - before) / steep.clamp_min(_tiny(slope))).clamp_min(0), limit)
        return torch.zeros_like(room).scatter(1, order, move)
    if norm == "l2":  # whose slopes are squared
        scale = _power_to_one(slope.amax(1, keepdim=True))
        slope, gain = slope * scale, gain * scale
    pace = slope if norm == "l2" else torch.ones_like(slope)
    rate, most = slope * pace, slope * room  # the gain per t of a coordinate until its bend, and there
    t, free, rest = torch.zeros_like(gain), room > 0, gain
    while True:
        ahead = rest / (rate * free).sum(1, keepdim=True).clamp_min(_tiny(slope))
        ahead = ahead.clamp_max(torch.finfo(slope.dtype).max)  # where no coordinate is free
        t = torch.fmax(t, ahead)  # a gain that is no number moves nothing
        moved = t * pace
        before, free = free, free & (moved < room)
        if torch.equal(before, free):  # no bend was passed
            return torch.minimum(moved, room)
        rest = gain - (most * ~free).sum(1, keepdim=True)


def _power_to_one(x: Tensor) -> Tensor:
    """Return the powers of 2, which round nothing, that bring each of x, not negative, to 0.5 or more, below 1."""
    largest = math.frexp(torch.finfo(x.dtype).max)[1] - 1
    exponent = torch.frexp(x).exponent.clamp(-largest, largest)
    return torch.pow(2.0, -exponent.to(x.dtype))


def _tiny(x: Tensor) -> float:
    """Return the smallest positive normal number of the type of x."""
    return torch.finfo(x.dtype).tiny


def per_sample(values: Tensor, like: Tensor) -> Tensor:
    """Return the values, (n,), in the shape (n, 1, ..., 1) that broadcasts over `like`, (n, *features)."""
    return values.view(-1, *[1] * (like.dim() - 1))
