"""Patch-RS, a patch by random search, without gradients (Croce et al. 2022, 2006.12834)."""

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
from robust.attacks.zoo._patches import AREA, SQUARES, draw_content, move, recolour, side_of

# The area of the squares is halved after these shares of the steps, as in Square.
HALVINGS = (0.02, 0.1, 0.2, 0.4, 0.6, 0.8)
PERIOD = 5  # one step of so many moves the window
SCOUTS = 0.1  # of the steps seek a place and a content to begin with


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

    Values are at the bounds. Squares shrink to one pixel, and moves from anywhere to the next pixel. The first tenth of
    the steps draws places and contents anew: all at a bound, or squares.
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
        rng = task.rng.fold(1 + k)
        if k < SCOUTS * self.steps:
            content, place = self._scout(task, rng, k + 1)
        else:
            content, place = change(state.content, state.place, task, rng, k / self.steps, moves=k % PERIOD == 0)
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
        """Draw a content and a place; the kinds of contents take turns."""
        threat = of_patch(task.threat)
        like = task.x.new_empty(len(task.x), frame_of(task.x).channels, *threat.fit(task.x))
        return draw_content(rng, like, threat, k % 3), threat.draw_places(task.x, rng.fold(SQUARES))


def change(content: Tensor, place: Tensor, task: Task, rng: Rng, done: float, *, moves: bool) -> tuple[Tensor, Tensor]:
    """Return content and place with one change of patches, after that share of a search, `done`, from 0 to 1."""
    size: Size = (content.shape[-2], content.shape[-1])
    if moves:
        return content, move(place, rng, task.x, size, (1 - done) ** 2)
    side = side_of(size, AREA / 2 ** bisect_right(HALVINGS, done))
    return recolour(content, rng, side, of_patch(task.threat)), place
