"""RayS: search for the nearest boundary along rays, by labels alone (Chen and Gu 2020, 2006.12792)."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task

NORMS = ("linf", "l2")


class RaySState(NamedTuple):
    """The state: the last query, and for each sample the best ray, and the search along another one."""

    x: Tensor
    logits: Tensor
    ray: Tensor  # (n, features): signs
    radius: Tensor  # (n,): the smallest at which the label is another
    trial: Tensor  # (n, features): the ray that is tried
    low: Tensor  # (n,): below it the trial's radius was not found
    high: Tensor  # (n,): at it the label is another
    asked: Tensor  # (n,): the radius of the last query
    searching: Tensor  # (n,) bool: whether the trial's radius is being searched for
    block: Tensor  # (n,) int64: 2**level + number of the block that is turned


@ATTACKS.register("rays")
@dataclass(frozen=True, slots=True)
class RayS:
    """Turn the signs of a ray block by block, and keep a turn that brings the boundary nearer; one query a step.

    Blocks are halved when all of one size were turned. Only labels are used, no margin and no gradient, so nothing that
    a model writes into its logits beside the label can mislead it. It is the paper's for linf. For l2 it moves along
    the same rays, all features by as much, and soon finds no more.
    """

    steps: int = 1000  # queries of the model, at most
    precision: float = 0.05  # at which a search for a radius ends, as a share of eps
    maps: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        if not 0 < self.precision <= 1:
            raise ValueError(f"precision, a share of eps, must be above 0 and at most 1, got {self.precision:g}")

    def init(self, task: Task) -> RaySState:
        """Return the first state: the ray to the far end of each value's range. ValueError for l1."""
        if task.threat.norm not in NORMS:
            raise ValueError(f"rays is for {' and '.join(NORMS)}, the threat is {task.threat.norm}; use noise")
        middle = (task.threat.lo + task.threat.hi) / 2
        ray = torch.where(task.x > middle, -1.0, 1.0).flatten(1).to(task.x)
        widest = torch.full_like(ray[:, 0], task.threat.hi - task.threat.lo)
        x = _along(task, ray, widest)
        none, first = torch.zeros_like(widest, dtype=torch.bool), torch.ones_like(widest, dtype=torch.int64)
        logits = task.logits(x)
        return RaySState(x, logits, ray, widest, ray, torch.zeros_like(widest), widest, widest, none, first)

    def step(self, task: Task, state: RaySState, k: int) -> RaySState:
        fooled = ~task.criterion.accepts(state.logits, task.y)
        # The answer to the last query: a trial that fools the model at the best radius so far is worth a search.
        found = fooled & (state.asked <= state.high)
        high = torch.where(found, state.asked, state.high)
        low = torch.where(fooled, state.low, torch.where(state.searching, state.asked, state.low))
        searching = torch.where(state.searching, True, found)
        precise = searching & (high - low <= self.precision * reach_of(task))
        ray = torch.where(precise[:, None], state.trial, state.ray)
        radius = torch.where(precise, high, state.radius)
        searching &= ~precise
        block = torch.where(searching, state.block, _next_block(state.block, ray.shape[1]))
        trial = torch.where(searching[:, None], state.trial, _turn(ray, block))
        low, high = torch.where(searching, low, 0.0), torch.where(searching, high, radius)
        asked = torch.where(searching, (low + high) / 2, radius)
        x = _along(task, trial, asked)
        return RaySState(x, task.logits(x), ray, radius, trial, low, high, asked, searching, block)


def nearest(task: Task, state: RaySState) -> Tensor:
    """Return the nearest point of each sample that was found on a ray, (n, *features); the first ray's end if none."""
    return _along(task, state.ray, state.radius)


def reach_of(task: Task) -> float:
    """Return how far a ray leads in each feature until it leaves the ball."""
    return float(task.threat.eps) / (1 if task.threat.norm == "linf" else math.sqrt(task.x[0].numel()))


def _along(task: Task, ray: Tensor, radius: Tensor) -> Tensor:
    """Move each input along its ray, within the bounds; within the ball exactly where the radius is eps or less."""
    x = (task.x.flatten(1) + radius[:, None] * ray).view_as(task.x).clamp(task.threat.lo, task.threat.hi)
    inside = (radius <= reach_of(task)).view(-1, *[1] * (x.dim() - 1))
    return torch.where(inside, task.threat.project(x, task.x), x)


def _next_block(block: Tensor, features: int) -> Tensor:
    """Return the next block; after the last one of single features, the first, which is the whole ray."""
    size = 2 ** (block.double().log2().floor() + 0.0)
    following = block + 1
    return torch.where((following >= 2 * size) & (size >= features), torch.ones_like(block), following)


def _turn(ray: Tensor, block: Tensor) -> Tensor:
    """Turn the signs of a block of each ray: of 2**level blocks that number, (n, features)."""
    blocks = 2 ** block.double().log2().floor()
    place = torch.arange(ray.shape[1], device=ray.device)
    number = (place * blocks[:, None] / ray.shape[1]).floor()
    return torch.where(number == (block - blocks)[:, None], -ray, ray)
