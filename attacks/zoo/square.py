"""Square: random search in shrinking squares, without gradients (Andriushchenko et al. 2020, 1912.00049)."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from robust.attacks.geometry import per_sample
from robust.attacks.losses import Loss
from robust.attacks.registry import ATTACKS
from robust.attacks.rng import Rng
from robust.attacks.spec import check_at_least_1, check_loss
from robust.attacks.task import Task
from robust.attacks.zoo._images import draw_corners, draw_signs, make_bumps, mask_window, place_tiles, to_image

# The area of the squares is halved after these shares of the steps: the paper's 10, 50, 200, ... of 10,000.
HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
MIN_BUMP = 3  # pixels: the side of the smallest square for l2
TILES = 5  # the number of bumps down and across with which a search for l2 begins


class SquareState(NamedTuple):
    """The state: the last point that was queried, and the best so far."""

    x: Tensor
    logits: Tensor
    best: Tensor  # (n, *features)
    loss: Tensor  # (n,) there


@ATTACKS.register("square")
@dataclass(frozen=True, slots=True)
class Square:
    """Change a square of the image, and keep the change if the loss rises; one query of the model per step.

    For linf the square moves to a random corner of the ball. For l2 a bump is added to it, at the cost of another
    square. The last two axes of x are the image, those before them its channels; a vector is an image of one row.
    """

    steps: int = 5000  # queries of the model, at most
    area: float = 0.8  # of the first squares, as a share of the image
    loss: str | Loss = "margin"  # ce, margin, dlr or sice

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        if not 0 < self.area <= 1:
            raise ValueError(f"area, a share of the image, must be above 0 and at most 1, got {self.area:g}")
        check_loss(self.loss)

    def init(self, task: Task) -> SquareState:
        """Return the first state: vertical stripes for linf, a grid of bumps for l2. ValueError for l1."""
        if task.threat.norm == "l1":
            raise ValueError("square is for linf and l2, the threat is l1; use noise")
        like = to_image(task.x)
        if task.threat.norm == "linf":
            x = self._move(task, draw_signs(task.rng, like[:, :, :1]).expand_as(like))
        else:
            x = self._stretch(task, _grid(task.rng, like))
        logits = task.logits(x)
        return SquareState(x, logits, x, task.loss(logits, self.loss))

    def step(self, task: Task, state: SquareState, k: int) -> SquareState:
        rng = task.rng.fold(k)
        change = self._move_square if task.threat.norm == "linf" else self._add_bump
        x = change(task, state, rng, k)
        logits = task.logits(x)
        loss = task.loss(logits, self.loss)
        better = loss > state.loss
        best = torch.where(per_sample(better, x), x, state.best)
        return SquareState(x, logits, best, torch.where(better, loss, state.loss))

    def _move_square(self, task: Task, state: SquareState, rng: Rng, k: int) -> Tensor:
        """Move a square to a corner of the ball, drawn for each channel."""
        like = to_image(task.x)
        size = self._size(like, k, 1)
        window = mask_window(like, draw_corners(rng, like, size), size)
        corner = to_image(self._move(task, draw_signs(rng.fold(2), like[:, :, :1, :1]).expand_as(like)))
        return torch.where(window, corner, to_image(state.best)).view_as(task.x)

    def _add_bump(self, task: Task, state: SquareState, rng: Rng, k: int) -> Tensor:
        """Add a bump to one square, as long as that square, another one and the rest of the ball allow."""
        like = to_image(task.x)
        d = to_image(state.best) - like
        size = _odd(self._size(like, k, MIN_BUMP), like)
        target, source = (draw_corners(rng.fold(i), like, size) for i in (2, 3))
        here, there = mask_window(like, target, size), mask_window(like, source, size)
        direction = (rng.fold(4).uniform(like[:, 0, 0, :1])[:, 0] * 2).long()
        bump = place_tiles(make_bumps(size, like)[direction], like, target)
        bump = bump * draw_signs(rng.fold(5), like[:, :, :1, :1])
        bump = bump + d * here / _length(d * here, (2, 3)).clamp_min(1e-12)
        spare = (float(task.threat.eps) ** 2 - _length(d, (1, 2, 3)).square()).clamp_min(0) / like.shape[1]
        budget = _length(d * (here | there), (2, 3)).square() + spare
        bump = bump * budget.sqrt() / _length(bump, (2, 3)).clamp_min(1e-12)
        return self._stretch(task, torch.where(here, bump, d * ~there))

    def _move(self, task: Task, corner: Tensor) -> Tensor:
        """Move x by eps times `corner`, and project."""
        return task.threat.project(task.x + float(task.threat.eps) * corner.reshape(task.x.shape), task.x)

    def _stretch(self, task: Task, d: Tensor) -> Tensor:
        """Move x to the edge of the l2 ball, along d."""
        return self._move(task, d / _length(d, (1, 2, 3)).clamp_min(1e-12))

    def _size(self, like: Tensor, k: int, min_side: int) -> tuple[int, int]:
        """Return (height, width) of the squares of step k, wider if the image is too low for them."""
        rows, columns = like.shape[2:]
        area = self.area / 2 ** sum(k >= share * self.steps for share in HALVINGS) * rows * columns
        height = min(max(round(math.sqrt(area)), min_side), rows)
        return height, min(max(round(area / height), min_side), columns)


def _odd(size: tuple[int, int], like: Tensor) -> tuple[int, int]:
    """Return the size with odd sides, so that it has a middle, if the image has room for it."""
    height, width = (min(side | 1, limit) for side, limit in zip(size, like.shape[2:], strict=True))
    return height, width


def _grid(rng: Rng, like: Tensor) -> Tensor:
    """Make TILES times TILES bumps with random signs, of the shape of `like`."""
    rows, columns = like.shape[2:]
    size = (-(-rows // TILES), -(-columns // TILES))
    count = (-(-rows // size[0]), -(-columns // size[1]))
    ups = draw_signs(rng, torch.zeros(*like.shape[:2], *count).to(like))
    ups = ups.repeat_interleave(size[0], 2).repeat_interleave(size[1], 3)
    return (make_bumps(size, like)[0].repeat(count) * ups)[:, :, :rows, :columns]


def _length(d: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Return the l2 length of d over these axes, which are kept."""
    return d.square().sum(dims, keepdim=True).sqrt()
