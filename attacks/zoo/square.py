"""Square: random search in shrinking squares, without gradients (Andriushchenko et al. 2020, 1912.00049)."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from robust.attacks.losses import Loss
from robust.attacks.registry import ATTACKS
from robust.attacks.rng import Rng, widened
from robust.attacks.spec import check_at_least_1, check_loss
from robust.attacks.task import Task
from robust.attacks.zoo._images import Size, Windows, draw_signs, draw_windows, make_bumps, to_image, window_pixels

# The area of the squares is halved after these shares of the steps: the paper's 10, 50, 200, ... of 10,000.
HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
MIN_BUMP = 3  # pixels: the side of the smallest square for l2
TILES = 5  # the number of bumps down and across with which a search for l2 begins
DRAWS = 512  # random numbers that a sample draws at once
TINY = 1e-12


class SquareState(NamedTuple):
    """The state: the last point that was queried, the best so far, and what the next steps need."""

    x: Tensor
    logits: Tensor
    best: Tensor  # (n, *features)
    loss: Tensor  # (n,) there
    spent: Tensor  # (n,): for l2, the squared distance of best to the clean x
    corners: Tensor | None  # (n, 2 * features): for linf, the lower and the upper corner of the ball
    windows: Windows | None  # of the steps of this block


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
        like, eps, corners = to_image(task.x), float(task.threat.eps), None
        if task.threat.norm == "linf":
            x = task.x + eps * draw_signs(task.rng, like[:, :, :1]).expand_as(like).reshape(task.x.shape)
            ends = [task.threat.project(task.x + end, task.x).flatten(1) for end in (-eps, eps)]
            corners = torch.cat(ends, 1)
        else:
            x = task.threat.step(task.x, _grid(task.rng, like).reshape(task.x.shape), eps)
        x = task.threat.project(x, task.x)
        logits = task.logits(x)
        return SquareState(x, logits, x, task.loss(logits, self.loss), _energy(x - task.x), corners, None)

    def step(self, task: Task, state: SquareState, k: int) -> SquareState:
        like, sparse = to_image(task.x), task.threat.norm == "linf"
        size = self._size(like, k, 1) if sparse else _odd(self._size(like, k, MIN_BUMP), like)
        place, count = self._block(k, like.shape[1])
        if not place:
            windows = draw_windows(task.rng.fold(k), like, size, count, 1 if sparse else 2)
            state = state._replace(windows=windows, spent=_energy(state.best - task.x))  # anew, as rounding adds up
        assert state.windows is not None
        move = Windows(*(draws[:, place] for draws in state.windows))
        pixels = window_pixels(size, like.shape[1:], like.device)
        if sparse:
            x, spent = _to_corner(state, move, pixels), state.spent
        else:
            x, spent = _add_bump(task, state, move, pixels, make_bumps(size, state.spent.dtype, like.device))
        x = x.view_as(task.x)
        logits = task.logits(x)
        loss = task.loss(logits, self.loss)
        better = loss > state.loss
        rows = better.nonzero()[:, 0]
        return state._replace(
            x=x,
            logits=logits,
            best=state.best.index_copy(0, rows, x[rows]),
            loss=torch.where(better, loss, state.loss),
            spent=torch.where(better, spent, state.spent),
        )

    def _block(self, k: int, channels: int) -> tuple[int, int]:
        """Return the place of step k among those whose windows are drawn at once, of one size, and their number."""
        ends = [math.ceil(share * self.steps) for share in HALVINGS]
        start = max((end for end in ends if end <= k), default=0)
        end = min((end for end in ends if end > k), default=self.steps)
        most = max(1, DRAWS // (channels + 5))
        place = (k - start) % most
        return place, min(most, end - k + place)

    def _size(self, like: Tensor, k: int, min_side: int) -> Size:
        """Return (height, width) of the squares of step k, wider if the image is too low for them."""
        rows, columns = like.shape[2:]
        area = self.area / 2 ** sum(k >= share * self.steps for share in HALVINGS) * rows * columns
        height = min(max(round(math.sqrt(area)), min_side), rows)
        return height, min(max(round(area / height), min_side), columns)


def _to_corner(state: SquareState, move: Windows, pixels: Tensor) -> Tensor:
    """Move a square to a corner of the ball, drawn for each channel; return x, (n, features)."""
    assert state.corners is not None
    best, channels = state.best.flatten(1), move.up.shape[1]
    here = move.first + pixels
    corner = here.view(len(best), channels, -1) + (move.up * best.shape[1])[:, :, None]
    return best.scatter(1, here, state.corners.gather(1, corner.view_as(here)))


def _add_bump(task: Task, state: SquareState, move: Windows, pixels: Tensor, bumps: Tensor) -> tuple[Tensor, Tensor]:
    """Add a bump to one square, as long as that square, another one and the rest of the ball allow.

    Return x, (n, features), and its squared distance to the clean x, (n,). Only pixels of the two squares are touched:
    passes over whole images would take a multiple of the time.
    """
    x, best, channels = task.x.flatten(1), state.best.flatten(1), move.up.shape[1]
    both = (move.first[:, :, None] + pixels).flatten(1)
    here = both[:, : len(pixels)]
    clean = x.gather(1, both)
    d = (best.gather(1, both) - clean).to(state.spent).view(len(x), 2, channels, -1)
    clean_here, clean_there = clean.split(len(pixels), 1)
    moved = best.scatter(1, both[:, len(pixels) :], clean_there)
    length = torch.linalg.vector_norm(d, dim=3)
    rest = (moved.gather(1, here) - clean_here).to(d).view_as(d[:, 0])  # of the square, outside of the other one
    freed = length[:, 1].square() + rest.square().sum(2)
    spare = (task.threat.reach(task.x) ** 2 - state.spent).clamp_min(0) / channels
    bump = bumps.flatten(1)[move.turned][:, None] * (2 * move.up - 1)[:, :, None]
    bump = bump + d[:, 0] / length[:, 0, :, None].clamp_min(TINY)
    bump = bump * ((freed + spare[:, None]).sqrt() / torch.linalg.vector_norm(bump, dim=2).clamp_min(TINY))[:, :, None]
    new = (clean_here + bump.flatten(1)).to(x).clamp_(task.threat.lo, task.threat.hi)
    spent = state.spent - freed.sum(1) + (new - clean_here).to(d).square().sum(1)
    return moved.scatter_(1, here, new), spent


def _energy(d: Tensor) -> Tensor:
    """Return the squared l2 length of each perturbation, (n,)."""
    return d.flatten(1).to(widened(d.dtype)).square().sum(1)


def _odd(size: Size, like: Tensor) -> Size:
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
    return (make_bumps(size, like.dtype, like.device)[0].repeat(count) * ups)[:, :, :rows, :columns]
