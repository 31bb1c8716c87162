"""Square: random search in shrinking squares, without gradients (Andriushchenko et al. 2020, 1912.00049)."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.families import BOUND
from robust.attacks.losses import Loss
from robust.attacks.registry import ATTACKS
from robust.attacks.rng import Rng, widened
from robust.attacks.spec import check_at_least_1, check_loss
from robust.attacks.task import Task
from robust.attacks.zoo._images import (
    Frame,
    Size,
    Windows,
    draw_signs,
    draw_windows,
    frame_of,
    make_bumps,
    to_image,
    window_pixels,
)

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
    spent: Tensor | None  # (n,): for l2, the squared distance of best to the clean x
    corners: Tensor | None  # (n, 2 * features): for linf, the lower and the upper corner of the ball
    first: Tensor | None  # these are the fields of Windows, for the steps of this block
    up: Tensor | None
    turned: Tensor | None

    def windows(self, place: int) -> Windows:
        """Return the draws of the step at this place in the block."""
        assert self.first is not None
        assert self.up is not None
        assert self.turned is not None
        return Windows(self.first.select(1, place), self.up.select(1, place), self.turned.select(1, place))


@ATTACKS.register("square")
@dataclass(frozen=True, slots=True)
class Square:
    """Change a square of the image, and keep the change if the loss rises; one query of the model per step.

    For linf the square moves to a random corner of the ball. For l2 a bump is added to it, at the cost of another
    square. The last two axes of x are the image, those before them its channels; a vector is an image of one row.
    """

    steps: int = 5000  # queries of the model, at most
    area: float = 0.8  # of the first squares, as a share of the image
    loss: str | Loss = "margin"  # ce, margin, dlr or sice; of maps also segpgd, js, mask-ce, mask-ce-bal, mask-sph
    maps: ClassVar[dict[str, str]] = {"linf": "", "l2": BOUND}

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        if not 0 < self.area <= 1:
            raise ValueError(f"area, a share of the image, must be above 0 and at most 1, got {self.area:g}")
        check_loss(self.loss)

    def init(self, task: Task) -> SquareState:
        """Return the first state: at `task.origin`, else vertical stripes for linf, a grid of bumps for l2.

        ValueError for l1.
        """
        if task.threat.norm == "l1":
            raise ValueError("square is for linf and l2, the threat is l1; use noise")
        like, eps, corners = to_image(task.x), float(task.threat.eps), None
        if task.threat.norm == "linf":
            stripes = eps * draw_signs(task.rng, like[:, :, :1])
            x = task.x + stripes.expand_as(like).reshape(task.x.shape)
            ends = [task.threat.project(task.x + end, task.x).flatten(1) for end in (-eps, eps)]
            corners = torch.cat(ends, 1)
        else:
            x = task.threat.step(task.x, _grid(task.rng, like).reshape(task.x.shape), eps)
        x = task.threat.project(x if task.origin is None else task.origin, task.x)
        logits = task.logits(x)
        spent = None if corners is not None else _energy(x - task.x)
        return SquareState(x, logits, x, task.loss(logits, self.loss), spent, corners, None, None, None)

    def step(self, task: Task, state: SquareState, k: int) -> SquareState:
        frame, linf = frame_of(task.x), task.threat.norm == "linf"
        level = bisect_right(_ends(self.steps), k)
        area = self.area / 2**level
        size = square_size(frame, area, 1) if linf else bump_size(frame, area)
        place, count = self._block(k, level, frame.channels)
        if not place:
            windows = draw_windows(task.rng.fold(k), frame, size, count, 1 if linf else 2, task.x.device)
            state = state._replace(**windows._asdict())
        pixels = window_pixels(size, frame, task.x.device)
        if linf:
            x, spent = _to_corner(state, place, pixels), None
        else:
            x, spent = _add_bump(task, state, place, pixels, size)
        x = x.view_as(task.x)
        logits = task.logits(x)
        loss = task.loss(logits, self.loss)
        better = loss > state.loss
        rows = better.nonzero().squeeze(1)
        state = state._replace(x=x, logits=logits)
        if not len(rows):
            return state
        return state._replace(
            best=state.best.index_copy(0, rows, x[rows]),
            loss=torch.where(better, loss, state.loss),
            spent=None if spent is None or state.spent is None else torch.where(better, spent, state.spent),
        )

    def _block(self, k: int, level: int, channels: int) -> tuple[int, int]:
        """Return the place of step k among those whose windows are drawn at once, of one size, and their number."""
        start, end = (0, *_ends(self.steps), self.steps)[level : level + 2]
        most = max(1, DRAWS // (channels + 5))
        place = (k - start) % most
        return place, min(most, end - k + place)


@lru_cache(32)
def _ends(steps: int) -> tuple[int, ...]:
    """Return the steps at which the area of the squares is halved."""
    return tuple(math.ceil(share * steps) for share in HALVINGS)


def _to_corner(state: SquareState, place: int, pixels: Tensor) -> Tensor:
    """Move a square to a corner of the ball, drawn for each channel; return x, (n, features)."""
    assert state.corners is not None
    first, up, _ = state.windows(place)
    best, here = state.best.flatten(1), first + pixels
    corner = here.view(*up.shape, -1) + (up * best.shape[1]).unsqueeze(2)
    return best.scatter(1, here, state.corners.gather(1, corner.flatten(1)))


def _add_bump(task: Task, state: SquareState, place: int, pixels: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Add a bump to one square, as long as that square, another one and the rest of the ball allow.

    Return x, (n, features), and its squared distance to the clean x, (n,). The bump is made of pixels of the squares
    alone: masks of whole images would take a multiple of the time.
    """
    assert state.spent is not None
    first, up, turned = state.windows(place)
    x, best, m = task.x.flatten(1), state.best.flatten(1), len(pixels)
    both = (first.unsqueeze(2) + pixels).flatten(1)  # (n, 2 * m)
    here, there = both[:, :m], both[:, m:]
    clean = x.gather(1, both)
    d = (best.gather(1, both) - clean).to(state.spent).view(len(x), 2, up.shape[1], -1)
    clean_here = clean[:, :m]
    moved = best.scatter(1, there, clean[:, m:])
    rest = (moved.gather(1, here) - clean_here).to(d).view_as(d[:, 0])  # of the square, outside of the other one
    length = torch.linalg.vector_norm(d, dim=3)
    freed = length[:, 1].square() + rest.square().sum(2)  # (n, channels)
    reach = task.threat.reach(x)
    spare = (reach**2 - state.spent).clamp_min_(0) / up.shape[1]
    bump = make_bumps(size, d.dtype, d.device)[turned].view(len(x), 1, -1) * (2 * up - 1).unsqueeze(2)
    bump = bump + d[:, 0] / length[:, 0].clamp_min(TINY).unsqueeze(2)
    allowed = (freed + spare.unsqueeze(1)).sqrt_() / torch.linalg.vector_norm(bump, dim=2).clamp_min_(TINY)
    new = (clean_here + (bump * allowed.unsqueeze(2)).flatten(1)).to(x).clamp_(task.threat.lo, task.threat.hi)
    spent = state.spent - freed.sum(1) + (new - clean_here).to(d).square_().sum(1)
    # The box has shortened what was added, so that the ball allows a longer way from x.
    scale = reach / spent.clamp_min(TINY).sqrt()
    way = moved.scatter_(1, here, new).sub_(x)
    stretched = torch.addcmul(x, way, scale.to(x).unsqueeze(1)).clamp_(task.threat.lo, task.threat.hi)
    return stretched, _energy(torch.sub(stretched, x, out=way))


@lru_cache(256)
def square_size(frame: Frame, area: float, least: int) -> Size:
    """Return (height, width) of squares of this share of the area and of at least this side, wider if rows are few."""
    pixels = area * frame.rows * frame.columns
    height = min(max(round(math.sqrt(pixels)), least), frame.rows)
    return height, min(max(round(pixels / height), least), frame.columns)


def bump_size(frame: Frame, area: float) -> Size:
    """Return (height, width) with odd sides, so that a bump has a middle, if the image has room for it."""
    height, width = square_size(frame, area, MIN_BUMP)
    return min(height | 1, frame.rows), min(width | 1, frame.columns)


def _energy(d: Tensor) -> Tensor:
    """Return the squared l2 length of each perturbation, (n,)."""
    return d.flatten(1).to(widened(d.dtype)).square().sum(1)


def _grid(rng: Rng, like: Tensor) -> Tensor:
    """Make TILES times TILES bumps with random signs, of the shape of `like`."""
    rows, columns = like.shape[2:]
    size = (-(-rows // TILES), -(-columns // TILES))
    count = (-(-rows // size[0]), -(-columns // size[1]))
    ups = draw_signs(rng, torch.zeros(*like.shape[:2], *count).to(like))
    ups = ups.repeat_interleave(size[0], 2).repeat_interleave(size[1], 3)
    return (make_bumps(size, like.dtype, like.device)[0].repeat(count) * ups)[:, :, :rows, :columns]
