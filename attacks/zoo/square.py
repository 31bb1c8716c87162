"""Square: random search in squares that shrink; no gradient is needed (Andriushchenko et al. 2020, 1912.00049)."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from robust.attacks.geometry import per_sample
from robust.attacks.losses import Loss, check_loss
from robust.attacks.registry import ATTACKS
from robust.attacks.rng import Rng
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task
from robust.attacks.zoo._pictures import bumps, corners, inside, picture, put, signs

# After these shares of the steps the squares' area is halved: the paper's schedule of 10, 50, 200, ... of 10,000.
HALVED = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
SMALLEST_BUMP = 3  # pixels: the side of the smallest square for l2
TILES = 5  # down and across: how many bumps a search for l2 begins with


class SquareState(NamedTuple):
    """The state: the point that was asked last, and the best so far."""

    x: Tensor
    logits: Tensor
    best: Tensor  # (n, *features)
    loss: Tensor  # (n,) there


@ATTACKS.register("square")
@dataclass(frozen=True, slots=True)
class Square:
    """A square of the picture is changed, and stays so where the loss rose; one question to the model a step.

    For linf it goes to a random corner of the ball. For l2 a bump is added to it, which takes what another square has.
    The last two axes are the picture, those before them its channels; a vector is a picture of one row.
    """

    steps: int = 5000
    area: float = 0.8  # of the picture: the first squares'
    loss: str | Loss = "margin"

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        if not 0 < self.area <= 1:
            raise ValueError(f"area, a share of the picture, must be above 0 and at most 1, got {self.area:g}")
        check_loss(self.loss)

    def init(self, task: Task) -> SquareState:
        """Stripes down the picture for linf, a grid of bumps for l2."""
        if task.threat.norm == "l1":
            raise ValueError("square is for linf and l2, the threat is l1; use noise")
        like = picture(task.x)
        if task.threat.norm == "linf":
            x = self._moved(task, signs(task.rng, like[:, :, :1]).expand_as(like))
        else:
            x = self._stretched(task, _grid(task.rng, like))
        logits = task.logits(x)
        return SquareState(x, logits, x, task.loss(logits, self.loss))

    def step(self, task: Task, state: SquareState, k: int) -> SquareState:
        rng = task.rng.fold(k)
        x = self._corner(task, state, rng, k) if task.threat.norm == "linf" else self._bump(task, state, rng, k)
        logits = task.logits(x)
        loss = task.loss(logits, self.loss)
        better = loss > state.loss
        best = torch.where(per_sample(better, x), x, state.best)
        return SquareState(x, logits, best, torch.where(better, loss, state.loss))

    def _corner(self, task: Task, state: SquareState, rng: Rng, k: int) -> Tensor:
        """A square goes to a corner of the ball, each channel to its own."""
        like = picture(task.x)
        size = self._size(like, k, 1)
        window = inside(like, corners(rng, like, size), size)
        corner = picture(self._moved(task, signs(rng.fold(2), like[:, :, :1, :1]).expand_as(like)))
        return torch.where(window, corner, picture(state.best)).view_as(task.x)

    def _bump(self, task: Task, state: SquareState, rng: Rng, k: int) -> Tensor:
        """A bump in one square, with the length that it, another and the rest of the ball have to give."""
        like = picture(task.x)
        d = picture(state.best) - like
        size = _odd(self._size(like, k, SMALLEST_BUMP), like)
        to, source = (corners(rng.fold(i), like, size) for i in (2, 3))
        here, there = inside(like, to, size), inside(like, source, size)
        way = (rng.fold(4).uniform(like[:, 0, 0, :1])[:, 0] * 2).long()
        bump = put(bumps(size, like)[way], like, to) * signs(rng.fold(5), like[:, :, :1, :1])
        bump = bump + d * here / _length(d * here, (2, 3)).clamp_min(1e-12)
        spare = (float(task.threat.eps) ** 2 - _length(d, (1, 2, 3)).square()).clamp_min(0) / like.shape[1]
        has = _length(d * (here | there), (2, 3)).square() + spare
        bump = bump * has.sqrt() / _length(bump, (2, 3)).clamp_min(1e-12)
        return self._stretched(task, torch.where(here, bump, d * ~there))

    def _moved(self, task: Task, corner: Tensor) -> Tensor:
        """x moved to a corner of the ball, whose signs are given."""
        return task.threat.project(task.x + float(task.threat.eps) * corner.reshape(task.x.shape), task.x)

    def _stretched(self, task: Task, d: Tensor) -> Tensor:
        """x moved to the edge of the ball, along d."""
        return self._moved(task, d / _length(d, (1, 2, 3)).clamp_min(1e-12))

    def _size(self, like: Tensor, k: int, least: int) -> tuple[int, int]:
        """(height, width) of the squares of step k, wider where the picture is too low for them."""
        rows, columns = like.shape[2:]
        area = self.area / 2 ** sum(k >= share * self.steps for share in HALVED) * rows * columns
        height = min(max(round(math.sqrt(area)), least), rows)
        return height, min(max(round(area / height), least), columns)


def _odd(size: tuple[int, int], like: Tensor) -> tuple[int, int]:
    """The size, or the next that has a middle, where the picture has room for it."""
    height, width = (min(side | 1, most) for side, most in zip(size, like.shape[2:], strict=True))
    return height, width


def _grid(rng: Rng, like: Tensor) -> Tensor:
    """TILES times TILES bumps, each with its sign."""
    rows, columns = like.shape[2:]
    size = (-(-rows // TILES), -(-columns // TILES))
    many = (-(-rows // size[0]), -(-columns // size[1]))
    ups = signs(rng, torch.zeros(*like.shape[:2], *many).to(like))
    ups = ups.repeat_interleave(size[0], 2).repeat_interleave(size[1], 3)
    return (bumps(size, like)[0].repeat(many) * ups)[:, :, :rows, :columns]


def _length(d: Tensor, dims: tuple[int, ...]) -> Tensor:
    return d.square().sum(dims, keepdim=True).sqrt()
