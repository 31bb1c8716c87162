"""RayS: search for the nearest boundary along rays, by labels alone (Chen and Gu 2020, 2006.12792)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task

NORMS = ("linf", "l2")
STRIPES = 3  # the last level of blocks of whole rows of an image; then they are rectangles
CELLS = 6  # the level of blocks by whose signs, drawn at random, a further ray begins
# Chosen on Fashion-MNIST at 50 to 1,000 queries: what a turn changes the radius by is a small part of what it may.
NEARER = 0.5  # of the precision: by so much a turn must bring the boundary nearer to be worth a search
LEAP, GROWTH = 2.0, 3.0  # of the precision: how far below the radius a search asks first; times that after each success
FINEST = 5e-4  # of the way to eps: no search is more precise
BELOW, EDGE = 1e-3, 1e-4  # of the same way: a search above eps ends there, and asks at eps itself when so near


class RaySState(NamedTuple):
    """The state: the last query, and for each sample the best ray, and the search along another one."""

    x: Tensor
    logits: Tensor
    ray: Tensor  # (n, features): signs
    radius: Tensor  # (n,): the smallest at which the label is another; the width of the bounds before any is
    trial: Tensor  # (n, features): the ray that is tried
    low: Tensor  # (n,): below it the trial's radius was not found, or is not sought
    high: Tensor  # (n,): at it the label is another
    asked: Tensor  # (n,): the radius of the last query
    leap: Tensor  # (n,): how far below `high` the search asks next
    searching: Tensor  # (n,) bool: whether the trial's radius is being searched for
    block: Tensor  # (n,) int64: 2**level + number of the block that is turned
    rounds: Tensor  # (n,) int64: how often each feature was turned alone
    best: Tensor  # (n, features): the nearest ray of earlier rounds
    least: Tensor  # (n,): its radius


@ATTACKS.register("rays")
@dataclass(frozen=True, slots=True)
class RayS:
    """Turn the signs of a ray block by block, and keep a turn that brings the boundary nearer; one query a step.

    Blocks are halved when all of one size were turned. Only labels are used, no margin and no gradient, so nothing that
    a model writes into its logits beside the label can mislead it. It is the paper's but for four things, with which
    fewer queries find more: small blocks of an image are rectangles, not rows; a search is as precise as its block is
    small; it ends at eps, where the attack does; and once each feature was turned alone, it begins again with a ray of
    which each block has a sign drawn at random. For l2 it moves along the same rays, all features by as much, and soon
    finds no more.
    """

    steps: int = 1000  # queries of the model, at most
    precision: float = 0.1  # at which a search for a radius ends, as a share of the radius times that of the block
    maps: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        if not 0 < self.precision <= 1:
            raise ValueError(f"precision, a share of a radius, must be above 0 and at most 1, got {self.precision:g}")

    def init(self, task: Task) -> RaySState:
        """Return the first state: the ray to the upper end of each value's range. ValueError for l1."""
        if task.threat.norm not in NORMS:
            raise ValueError(f"rays is for {' and '.join(NORMS)}, the threat is {task.threat.norm}; use noise")
        ray = torch.ones_like(task.x.flatten(1))
        widest = torch.full_like(ray[:, 0], task.threat.hi - task.threat.lo)
        x = _along(task, ray, widest)
        none, first = torch.zeros_like(widest, dtype=torch.bool), torch.ones_like(widest, dtype=torch.int64)
        zero = torch.zeros_like(widest)
        return RaySState(
            x, task.logits(x), ray, widest, ray, zero, widest, widest, zero, none, first, first - 1, ray, widest
        )

    def step(self, task: Task, state: RaySState, k: int) -> RaySState:
        state = self._ask_next(task, self._search(task, state))
        x = _along(task, state.trial, state.asked)
        return state._replace(x=x, logits=task.logits(x))

    def _search(self, task: Task, state: RaySState) -> RaySState:
        """Take in the answer to the last query: narrow, begin and end searches, and keep the nearer of two rays."""
        fooled = ~task.criterion.accepts(state.logits, task.y)
        fine = self._precision(task, state)
        high = torch.where(fooled, state.asked, state.high)
        low = torch.where(state.searching & ~fooled, state.asked, state.low)
        leap = torch.where(state.searching, torch.where(fooled, GROWTH * state.leap, state.leap), LEAP * fine)
        searching = state.searching | fooled
        reach = reach_of(task)
        unknown = (low <= _floor(state.radius, reach)) & (high > reach)  # whether eps itself is far enough
        precise = searching & (high - low <= fine) & ~unknown
        nearer = precise & (high < state.radius)
        return state._replace(
            ray=torch.where(nearer[:, None], state.trial, state.ray),
            radius=torch.where(nearer, high, state.radius),
            **{"low": low, "high": high, "leap": leap, "searching": searching & ~precise},
        )

    def _ask_next(self, task: Task, state: RaySState) -> RaySState:
        """Turn the next block where no search is on, and say at which radius the model is asked."""
        reach, on = reach_of(task), state.searching
        block, over = _next_block(state.block, state.ray.shape[1])
        state = _begin_again(task, state, over & ~on)
        block, ray, radius = torch.where(on, state.block, block), state.ray, state.radius
        found = radius < task.threat.hi - task.threat.lo
        turned = torch.where(over[:, None], ray, _turn(ray, block, _list_places(block, tuple(task.x.shape[1:]))))
        for number, start in enumerate(_list_starts(task), 2):  # the next queries, if the first ray is answered right
            begun = (~found & (state.rounds == 0) & (block == number))[:, None]
            ray, turned = torch.where(begun, start, ray), torch.where(begun, start, turned)
        trial = torch.where(on[:, None], state.trial, turned)
        floor = _floor(radius, reach)
        low, high = torch.where(on, state.low, floor), torch.where(on, state.high, radius)
        state = state._replace(ray=ray, block=block, trial=trial, low=low, high=high)
        middle = (low + high) / 2
        within = torch.where(low <= floor, (high - state.leap).maximum(middle), middle)
        within = torch.where((low <= floor) & (high - low <= self._precision(task, state)), floor, within)
        first = torch.where(found, radius - NEARER * self.precision * radius * _share(state), radius)
        asked = torch.where(on, within, first)
        asked = torch.where((radius > reach) & (asked < (1 + EDGE) * reach), reach, asked)
        return state._replace(asked=asked)

    def _precision(self, task: Task, state: RaySState) -> Tensor:
        """Return how precise the searches for a radius are, (n,)."""
        return (self.precision * state.radius * _share(state)).clamp_min(FINEST * reach_of(task))


def nearest(task: Task, state: RaySState) -> Tensor:
    """Return the nearest point of each sample that was found on a ray, (n, *features); the first ray's end if none."""
    nearer = state.radius <= state.least
    return _along(task, torch.where(nearer[:, None], state.ray, state.best), state.radius.minimum(state.least))


def reach_of(task: Task) -> float:
    """Return how far a ray leads in each feature until it leaves the ball."""
    return float(task.threat.eps) / (1 if task.threat.norm == "linf" else math.sqrt(task.x[0].numel()))


def _along(task: Task, ray: Tensor, radius: Tensor) -> Tensor:
    """Move each input along its ray, within the bounds; within the ball exactly where the radius is eps or less."""
    x = (task.x.flatten(1) + radius[:, None] * ray).view_as(task.x).clamp(task.threat.lo, task.threat.hi)
    inside = (radius <= reach_of(task)).view(-1, *[1] * (x.dim() - 1))
    return torch.where(inside, task.threat.project(x, task.x), x)


def _list_starts(task: Task) -> tuple[Tensor, Tensor]:
    """Return further first rays, (n, features): to the lower end of each value's range, and to the far one."""
    flat = task.x.flatten(1)
    far = torch.where(flat > (task.threat.lo + task.threat.hi) / 2, -1.0, 1.0).to(flat)
    return -torch.ones_like(flat), far


def _begin_again(task: Task, state: RaySState, over: Tensor) -> RaySState:
    """Keep the nearer ray of those that are over, (n,) bool, and go on with another one."""
    ray, best = state.ray, over & (state.radius < state.least)
    rounds = state.rounds + over
    for number in {*rounds[over].tolist()}:
        signs = _draw_signs(tuple(task.x.shape[1:]), number).to(ray)
        ray = torch.where((over & (rounds == number))[:, None], signs, ray)
    return state._replace(
        ray=ray,
        radius=state.radius.masked_fill(over, task.threat.hi - task.threat.lo),
        rounds=rounds,
        best=torch.where(best[:, None], state.ray, state.best),
        least=torch.where(best, state.radius, state.least),
    )


def _floor(radius: Tensor, reach: float) -> Tensor:
    """Return where searches for a radius end, (n,): what is nearer than eps has won, unless smaller ones are sought."""
    return torch.full_like(radius, (1 - BELOW) * reach).masked_fill(radius <= reach, 0.0)


def _cut(block: Tensor, features: int) -> tuple[Tensor, Tensor]:
    """Return the number of the first block of the same level, 2**level, and the features of each but the last."""
    first = 2 ** block.double().log2().floor()
    return first, (features / first).ceil()


def _share(state: RaySState) -> Tensor:
    """Return the share of all features that is turned, (n,)."""
    features = state.ray.shape[1]
    return (_cut(state.block, features)[1] / features).to(state.radius)


def _next_block(block: Tensor, features: int) -> tuple[Tensor, Tensor]:
    """Return the next block, after the last of a level the first of the next, and whether that was the last level."""
    first, size = _cut(block, features)
    following = block + 1
    last = (following - first) * size >= features
    over = last & (size <= 1)
    return torch.where(last, (2 * first).to(block), following).masked_fill(over, 1), over


def _turn(ray: Tensor, block: Tensor, place: Tensor) -> Tensor:
    """Turn the signs of a block of each ray, (n, features), where the features have these places, (n, features)."""
    first, size = _cut(block, ray.shape[1])
    return torch.where((place / size[:, None]).floor() == (block - first)[:, None], -ray, ray)


def _list_places(block: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the place of each feature in the order that blocks are cut from, (n, features) int64."""
    stripes, rectangles = (places.to(block.device) for places in _order(shape))
    return torch.where((block < 2 ** (STRIPES + 1))[:, None], stripes, rectangles)


@lru_cache(8)
def _order(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return the place of each feature where they are cut as they come, and where rectangles are, (features,) int64.

    Of an image, (..., height, width), the longer side is halved again and again, and all its channels stay together.
    """
    plain = torch.arange(math.prod(shape))
    if len(shape) < 2:
        return plain, plain
    order = torch.tensor([row * shape[-1] + column for row, column in _halve(0, shape[-2], 0, shape[-1])])
    rectangles = plain.view(-1, len(order))[:, order].t().flatten()
    return plain, torch.empty_like(plain).scatter(0, rectangles, plain)


@lru_cache(8)
def _draw_signs(shape: tuple[int, ...], number: int) -> Tensor:
    """Return the ray that a round begins with, (features,): the same for all samples and batches."""
    _, rectangles = _order(shape)
    signs = torch.randint(2, (2**CELLS,), generator=torch.Generator().manual_seed(number)) * 2.0 - 1
    return signs[rectangles * 2**CELLS // len(rectangles)]


def _halve(top: int, bottom: int, left: int, right: int) -> Iterator[tuple[int, int]]:
    """Yield (row, column) of all pixels of a rectangle, those of one half before those of the other."""
    if bottom - top == right - left == 1:
        yield top, left
    elif bottom - top >= right - left:
        middle = (top + bottom + 1) // 2
        yield from _halve(top, middle, left, right)
        yield from _halve(middle, bottom, left, right)
    else:
        middle = (left + right + 1) // 2
        yield from _halve(top, bottom, left, middle)
        yield from _halve(top, bottom, middle, right)
