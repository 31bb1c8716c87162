"""Square: random search with squares that shrink; no gradient is needed (Andriushchenko et al. 2020, 1912.00049)."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from robust.attacks.catalogue import ATTACKS
from robust.attacks.losses import Loss, check_loss, evaluate_loss
from robust.attacks.rng import Rng
from robust.attacks.task import Task

# After these shares of the steps the squares' area is halved: the paper's schedule of 10, 50, 200, ... of 10,000.
HALVED = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


class Search(NamedTuple):
    """The state: the point that was asked last, and the best so far."""

    x: Tensor
    logits: Tensor
    best: Tensor  # (n, *features)
    loss: Tensor  # (n,) there


@ATTACKS.register("square")
@dataclass(frozen=True, slots=True)
class Square:
    """For linf: a square of the picture goes to a random corner of the ball, and stays there where the loss rose.

    One question to the model a step. The last two axes are the picture, those before them its channels; a vector is a
    picture of one row.
    """

    steps: int = 5000
    area: float = 0.8  # of the picture: the first squares'
    loss: str | Loss = "margin"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")
        if not 0 < self.area <= 1:
            raise ValueError(f"area, a share of the picture, must be above 0 and at most 1, got {self.area:g}")
        check_loss(self.loss)

    def init(self, task: Task) -> Search:
        """Stripes down the picture, each at a corner of the ball."""
        if task.threat.norm != "linf":
            raise ValueError(f"square is for linf, the threat is {task.threat.norm}; use noise, or torchattacks:Square")
        picture = _picture(task.x)
        stripes = _signs(task.rng, picture[:, :, :1]).expand_as(picture)
        x = self._moved(task, stripes)
        logits = task.logits(x)
        return Search(x, logits, x, evaluate_loss(self.loss, logits, task.y, task.target))

    def step(self, task: Task, state: Search, k: int) -> Search:
        rng = task.rng.fold(k)
        picture = _picture(task.x)
        window = self._window(rng, picture, k)
        corner = _picture(self._moved(task, _signs(rng.fold(2), picture[:, :, :1, :1]).expand_as(picture)))
        x = torch.where(window, corner, _picture(state.best)).view_as(task.x)
        logits = task.logits(x)
        loss = evaluate_loss(self.loss, logits, task.y, task.target)
        better = loss > state.loss
        best = torch.where(better.view(-1, *[1] * (x.dim() - 1)), x, state.best)
        return Search(x, logits, best, torch.where(better, loss, state.loss))

    def _moved(self, task: Task, signs: Tensor) -> Tensor:
        return task.threat.project(task.x + float(task.threat.eps) * signs.reshape(task.x.shape), task.x)

    def _window(self, rng: Rng, picture: Tensor, k: int) -> Tensor:
        """(n, 1, height, width) bool: a square somewhere in each picture, wider where the picture is too low for it."""
        rows, columns = picture.shape[2:]
        area = self.area / 2 ** sum(k >= share * self.steps for share in HALVED) * rows * columns
        height = min(max(round(math.sqrt(area)), 1), rows)
        width = min(max(round(area / height), 1), columns)
        like = picture[:, 0, 0, :1]
        top, left = (
            (rng.fold(i).uniform(like) * (many + 1)).long().clamp_max(many)
            for i, many in enumerate((rows - height, columns - width))
        )
        row, column = (torch.arange(many, device=picture.device) for many in (rows, columns))
        inside: Tensor = ((row >= top) & (row < top + height))[:, :, None] & (
            (column >= left) & (column < left + width)
        )[:, None]
        return inside[:, None]


def _picture(x: Tensor) -> Tensor:
    """(n, channels, height, width), whatever the rank of x."""
    return x.reshape(len(x), -1, *((1,) * (3 - x.dim())), *x.shape[max(1, x.dim() - 2) :])


def _signs(rng: Rng, like: Tensor) -> Tensor:
    return torch.where(rng.uniform(like) < 0.5, -1.0, 1.0).to(like)
