"""Search: Square's random search (Andriushchenko et al. 2020, 1912.00049) in each of several inputs in turn."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, cast

import torch
from torch import Tensor

from robust.attacks.geometry import per_sample
from robust.attacks.grammar.product import PRODUCT
from robust.attacks.losses import Loss
from robust.attacks.registry import ATTACKS
from robust.attacks.rng import Rng
from robust.attacks.spec import check_at_least_1, check_loss
from robust.attacks.task import Task
from robust.attacks.threats.product import Product

HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)  # shares of the steps after which windows are halved
AREA = 0.8  # of the first windows, as a share of the part


class SearchState(NamedTuple):
    """The state: the last point that was queried, and the best so far."""

    x: Tensor
    logits: Tensor
    best: Tensor  # (n, features)
    loss: Tensor  # (n,) there


@ATTACKS.register("search")
@dataclass(frozen=True, slots=True)
class Search:
    """Change a window of one of several inputs, the parts in turn, and keep the change if the loss rises.

    It is one query of the model a step, and no gradient. In the window, a square of an image or neighbours in a row,
    each number goes as far up or down as its ball allows to so many; then the part is projected.
    """

    steps: int = 1000  # queries of the model, at most
    loss: str | Loss = "margin"  # ce, margin, dlr or sice
    families: ClassVar[tuple[str, ...]] = (PRODUCT,)

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        check_loss(self.loss)

    def init(self, task: Task) -> SearchState:
        x = task.threat.project(task.threat.step(task.x, task.rng.normal(task.x), 1.0), task.x)
        logits = task.logits(x)
        return SearchState(x, logits, x, task.loss(logits, self.loss))

    def step(self, task: Task, state: SearchState, k: int) -> SearchState:
        threat = cast(Product, task.threat)
        name = [*threat.balls][k % len(threat.balls)]
        x = threat.project(self._propose(threat, name, task, state, k), task.x)
        logits = task.logits(x)
        loss = task.loss(logits, self.loss)
        better = loss > state.loss
        best = torch.where(per_sample(better, x), x, state.best)
        return SearchState(x, logits, best, torch.where(better, loss, state.loss))

    def _propose(self, threat: Product, name: str, task: Task, state: SearchState, k: int) -> Tensor:
        """Return the best points with a window of the part moved, (n, features)."""
        rng, part, ball = task.rng.fold(k), threat.layout.find(name), threat.balls[name]
        place, area = threat.layout.places[name], AREA / 2 ** bisect_right(HALVINGS, k / self.steps)
        clean, signs = task.x[:, place], rng.fold(1).normal(task.x[:, place]).sign()
        if len(part.shape) > 1:  # one way for all of a channel
            signs = signs.view(len(clean), -1, math.prod(part.shape[-2:]))[:, :, :1].expand(
                -1, -1, math.prod(part.shape[-2:])
            )
        window = _draw_window(rng, clean, part.shape, area)
        count = window.sum(1, keepdim=True).to(clean)
        reach = float(ball.eps) / {"linf": torch.ones_like(count), "l2": count.sqrt(), "l1": count}[ball.norm]
        moved = state.best.clone()
        moved[:, place] = torch.where(window, clean + reach * signs.reshape(clean.shape), state.best[:, place])
        return moved


def _draw_window(rng: Rng, like: Tensor, shape: tuple[int, ...], area: float) -> Tensor:
    """Mark a window of each part, (n, size) bool: a square of the last two axes, or neighbours in a row."""
    height, width = shape[-2:] if len(shape) > 1 else (1, math.prod(shape))
    side = math.sqrt(area * height * width)
    tall = min(height, max(1, round(side)))
    wide = min(width, max(1, round(side if len(shape) > 1 else area * width)))
    draws = torch.stack([rng.fold(k).uniform(like[:, :1])[:, 0] for k in (2, 3)], 1)
    top, left = ((draws[:, 0] * (height - tall + 1)).long(), (draws[:, 1] * (width - wide + 1)).long())
    rows, columns = torch.arange(height, device=like.device), torch.arange(width, device=like.device)
    inside = (rows >= top[:, None]) & (rows < top[:, None] + tall)
    across = (columns >= left[:, None]) & (columns < left[:, None] + wide)
    window = (inside[:, :, None] & across[:, None, :]).flatten(1)
    return window.repeat(1, like.shape[1] // window.shape[1])
