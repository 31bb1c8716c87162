"""sparse-rs: random search over which pixels change, without gradients (Croce et al. 2022, 2006.12834)."""

from bisect import bisect_right
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.geometry import per_sample
from robust.attacks.grammar.pixels import PIXELS
from robust.attacks.losses import Loss
from robust.attacks.registry import ATTACKS
from robust.attacks.rng import Rng
from robust.attacks.spec import check_at_least_1, check_loss
from robust.attacks.task import Task
from robust.attacks.threats.pixels import by_pixel, mark_largest, of_pixels

# From these shares of the steps on, the share of the pixels that a step exchanges is `share` over the second number.
STAGES = ((0.0001, 2), (0.005, 4), (0.02, 5), (0.05, 6), (0.1, 8), (0.2, 10), (0.4, 12), (0.6, 15), (0.8, 20))


class SparseRSState(NamedTuple):
    """The state: the last point that was queried, and the best so far."""

    x: Tensor
    logits: Tensor
    best: Tensor  # (n, *features)
    loss: Tensor  # (n,) there
    chosen: Tensor  # (n, pixels) bool: those that `best` may change


@ATTACKS.register("sparse-rs")
@dataclass(frozen=True, slots=True)
class SparseRS:
    """Give some of the chosen pixels back, choose as many others, and keep that if the loss rises: one query a step.

    A pixel that is chosen gets a random corner of the box: each channel its lowest or its highest value. It may be one
    that was given back. The share that is exchanged falls, to one pixel in the end.
    """

    steps: int = 5000  # queries of the model, at most
    share: float = 0.8  # of the pixels that the first step exchanges
    loss: str | Loss = "margin"  # ce, margin, dlr or sice
    families: ClassVar[tuple[str, ...]] = (PIXELS,)

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        if not 0 < self.share <= 1:
            raise ValueError(f"share, of the pixels, must be above 0 and at most 1, got {self.share:g}")
        check_loss(self.loss)

    def init(self, task: Task) -> SparseRSState:
        """Return the first state: at `task.origin`, else at pixels and corners that are drawn."""
        pixels = by_pixel(task.x)
        chosen = mark_largest(task.rng.fold(0).uniform(pixels[:, 0]), of_pixels(task.threat).count)
        x = torch.where(chosen[:, None], _draw_corners(task, task.rng.fold(1)), pixels).reshape(task.x.shape)
        if task.origin is not None:
            x = task.threat.project(task.origin, task.x)
            changed = (by_pixel(x) != pixels).any(1)
            chosen = mark_largest(changed + task.rng.fold(0).uniform(pixels[:, 0]), of_pixels(task.threat).count)
        logits = task.logits(x)
        return SparseRSState(x, logits, x, task.loss(logits, self.loss), chosen)

    def step(self, task: Task, state: SparseRSState, k: int) -> SparseRSState:
        rng, few = task.rng.fold(k + 1), self._few(of_pixels(task.threat).count, k)
        order, pixels = rng.fold(0).uniform(by_pixel(task.x)[:, 0]), by_pixel(task.x)
        left = mark_largest(order.masked_fill(~state.chosen, -1.0), few) & state.chosen
        kept = state.chosen & ~left
        # What was given back may be drawn again, but by another number: else its first would always come first.
        again = mark_largest(rng.fold(1).uniform(order).masked_fill(kept, -1.0), few) & ~kept
        moved = torch.where(kept[:, None], by_pixel(state.best), pixels)
        x = torch.where(again[:, None], _draw_corners(task, rng.fold(2)), moved).reshape(task.x.shape)
        logits = task.logits(x)
        loss = task.loss(logits, self.loss)
        better = loss > state.loss
        return SparseRSState(
            x,
            logits,
            torch.where(per_sample(better, x), x, state.best),
            torch.where(better, loss, state.loss),
            torch.where(better[:, None], kept | again, state.chosen),
        )

    def _few(self, count: int, k: int) -> int:
        """Return how many of `count` pixels step k exchanges."""
        stage = bisect_right([start for start, _ in STAGES], (k + 1) / self.steps)
        return max(int(count * self.share / (STAGES[stage - 1][1] if stage else 1)), 1)


def _draw_corners(task: Task, rng: Rng) -> Tensor:
    """Draw the lowest or the highest value for each number, (n, channels, pixels)."""
    like = by_pixel(task.x)
    return torch.where(rng.uniform(like) < 0.5, torch.full_like(like, task.threat.lo), task.threat.hi)
