"""Patch-RS, a patch by random search, without gradients (Croce et al. 2022, 2006.12834)."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.geometry import per_sample
from robust.attacks.grammar.patch import PATCH
from robust.attacks.losses import Loss
from robust.attacks.registry import ATTACKS
from robust.attacks.rng import Rng
from robust.attacks.spec import check_at_least_1, check_loss
from robust.attacks.task import Task
from robust.attacks.threats.patch import of_patch
from robust.attacks.threats.windows import Size, put_content
from robust.attacks.zoo._images import frame_of

# The area of the squares is halved after these shares of the steps, as in Square.
HALVINGS = (0.02, 0.1, 0.2, 0.4, 0.6, 0.8)
AREA = 0.4  # of the first squares, as a share of the window
PERIOD = 5  # one step of so many moves the window
SCOUTS = 0.1  # of the steps seek a place and a content to begin with
SQUARES = 12  # that are drawn over each other to begin with


class PatchRSState(NamedTuple):
    """The state: the last point that was queried, the best content and place so far, and their loss."""

    x: Tensor
    logits: Tensor
    content: Tensor  # (n, channels, height, width)
    place: Tensor  # (n,) int64
    loss: Tensor  # (n,)


@ATTACKS.register("patch-rs")
@dataclass(frozen=True, slots=True)
class PatchRS:
    """Change a square within the patch, or move the patch, and keep the change if the loss rises; a query a step.

    Values are at the bounds. Squares shrink to one pixel, and moves from anywhere to the next pixel.
    """

    steps: int = 1000  # queries of the model, at most
    loss: str | Loss = "margin"  # ce, margin, dlr or sice; of maps also segpgd, js, mask-ce, mask-ce-bal, mask-sph
    families: ClassVar[tuple[str, ...]] = (PATCH,)

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        check_loss(self.loss)

    def init(self, task: Task) -> PatchRSState:
        content, place = self._scout(task, task.rng, 0)
        x = put_content(task.x, content, place)
        logits = task.logits(x)
        return PatchRSState(x, logits, content, place, task.loss(logits, self.loss))

    def step(self, task: Task, state: PatchRSState, k: int) -> PatchRSState:
        rng, size = task.rng.fold(1 + k), of_patch(task.threat).fit(task.x)
        content, place = state.content, state.place
        if k < SCOUTS * self.steps:
            content, place = self._scout(task, rng, k + 1)
        elif k % PERIOD == 0:
            place = self._move(task, place, rng, size, (1 - k / self.steps) ** 2)
        else:
            side = _side(size, AREA / 2 ** bisect_right(HALVINGS, k / self.steps))
            content = self._recolour(content, task, rng, side)
        x = put_content(task.x, content, place)
        logits = task.logits(x)
        loss = task.loss(logits, self.loss)
        better = loss > state.loss
        return PatchRSState(
            x,
            logits,
            torch.where(per_sample(better, content), content, state.content),
            torch.where(better, place, state.place),
            torch.where(better, loss, state.loss),
        )

    def _scout(self, task: Task, rng: Rng, k: int) -> tuple[Tensor, Tensor]:
        """Draw a place, and a content: all at the upper bound, all at the lower, or squares, in turn."""
        threat, kind = of_patch(task.threat), k % 3
        size, channels = threat.fit(task.x), frame_of(task.x).channels
        content = task.x.new_full((len(task.x), channels, *size), threat.hi if kind == 0 else threat.lo)
        for j in range(SQUARES if kind == 2 else 0):
            share = 1.0 if j == 0 else AREA * (1 - j / SQUARES)
            content = self._recolour(content, task, rng.fold(j), _side(size, share))
        return content, threat.draw_places(task.x, rng.fold(SQUARES))

    def _move(self, task: Task, place: Tensor, rng: Rng, size: Size, share: float) -> Tensor:
        """Move windows by up to that share of the image, (n,) int64, one pixel at least."""
        draws = 2 * _draw(rng, task.x, 2) - 1
        rows, columns = task.x.shape[-2:]
        across, down = columns - size[1] + 1, rows - size[0] + 1
        top, left = place // across, place % across
        top = (top + (draws[:, 0] * max(1.0, share * down)).round().long()).clamp(0, down - 1)
        left = (left + (draws[:, 1] * max(1.0, share * across)).round().long()).clamp(0, across - 1)
        return top * across + left

    def _recolour(self, content: Tensor, task: Task, rng: Rng, side: Size) -> Tensor:
        """Give a square within each content one colour, each channel at a bound; a single pixel changes in any case."""
        _, channels, height, width = content.shape
        draws = _draw(rng, task.x, 2 + channels)
        top = (draws[:, 0] * (height - side[0] + 1)).long().clamp_max(height - side[0])
        left = (draws[:, 1] * (width - side[1] + 1)).long().clamp_max(width - side[1])
        colour = torch.where(draws[:, 2:, None, None] < 0.5, task.threat.lo, task.threat.hi).to(content)
        if side == (1, 1):
            middle, most = (task.threat.lo + task.threat.hi) / 2, draws[:, 2:].argmax(1)
            flipped = torch.where(content > middle, task.threat.lo, task.threat.hi).to(content)
            turns = (draws[:, 2:] < 0.5) | (torch.arange(channels, device=content.device) == most[:, None])
            colour = torch.where(turns[:, :, None, None], flipped, content)
        row, column = (torch.arange(length, device=content.device) for length in (height, width))
        tall = (row >= top[:, None]) & (row < top[:, None] + side[0])
        wide = (column >= left[:, None]) & (column < left[:, None] + side[1])
        return torch.where((tall[:, :, None] & wide[:, None, :])[:, None], colour, content)


def _draw(rng: Rng, x: Tensor, count: int) -> Tensor:
    """Draw numbers in [0, 1), (n, count) float32."""
    return rng.uniform(torch.zeros(len(x), count, device=x.device))


def _side(size: Size, share: float) -> Size:
    """Return (height, width) of a square of that share of a window, one pixel at least."""
    side = math.sqrt(share * size[0] * size[1])
    return min(size[0], max(1, round(side))), min(size[1], max(1, round(side)))
