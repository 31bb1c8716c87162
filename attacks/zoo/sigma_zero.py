"""sigma-zero: descent on a smooth count of the changed pixels. Cinà et al. 2025 (2402.01879)."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.geometry import per_sample
from robust.attacks.grammar.pixels import PIXELS
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task
from robust.attacks.threats.pixels import by_pixel

LAST_STEP = 0.1  # of the first
FIRST, SECOND = 0.9, 0.999  # decays of Adam's two means (Kingma and Ba 2015, 1412.6980)
TINY = 1e-12


class SigmaZeroState(NamedTuple):
    """The state: the iterate, Adam's means, and what is too small to stay."""

    x: Tensor
    logits: Tensor | None
    loss: Tensor  # (n,): the margin at x
    grad: Tensor  # of it
    mean: Tensor
    square: Tensor
    threshold: Tensor  # (n,): as a share of the width of the bounds


@ATTACKS.register("sigma-zero")
@dataclass(frozen=True, slots=True)
class SigmaZero:
    """Seek a wrong answer with few changed pixels: lower the margin's shortfall and a smooth count of the pixels.

    After each step pixels that changed by less than a threshold are set back; it rises where the answer is wrong, and
    falls where it is right. What has few enough pixels is admitted, so that the driver takes it.
    """

    steps: int = 1000
    first: float = 1.0  # step size, as a share of the width of the bounds; it falls along half a cosine
    sigma: float = 0.001  # the smoothness of the count: the squared change that counts as half a pixel
    start: float = 0.3  # threshold, as a share of the width of the bounds
    pace: float = 0.01  # by which the threshold changes, as a share of the step size
    families: ClassVar[tuple[str, ...]] = (PIXELS,)

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        for name in ("first", "sigma", "pace"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name):g}")
        if not 0 <= self.start <= 1:
            raise ValueError(f"start, a share of the width of the bounds, must be from 0 to 1, got {self.start:g}")

    def init(self, task: Task) -> SigmaZeroState:
        x = task.x if task.origin is None else task.origin
        logits, loss, grad = task.ascent(x, "margin")
        none = torch.zeros_like(x)
        return SigmaZeroState(x, logits, loss, grad, none, none, torch.full_like(loss, self.start))

    def step(self, task: Task, state: SigmaZeroState, k: int) -> SigmaZeroState:
        width, wrong = task.threat.hi - task.threat.lo, state.loss > 0
        d = (state.x - task.x) / width
        size = by_pixel(d).square().sum(1, keepdim=True)  # of each pixel
        count = 2 * self.sigma * by_pixel(d) / (size + self.sigma).square() / size.shape[2]
        grad = count.reshape(d.shape) - torch.where(per_sample(wrong, d), 0.0, width * state.grad)
        grad = grad / per_sample(grad.flatten(1).abs().amax(1).clamp_min(TINY), grad)
        mean, square = state.mean.lerp(grad, 1 - FIRST), state.square.lerp(grad.square(), 1 - SECOND)
        length = self._length(k - 1)
        ahead = mean / (1 - FIRST ** (k + 1)) / ((square / (1 - SECOND ** (k + 1))).sqrt() + 1e-8)
        x = (state.x - length * width * ahead).clamp(task.threat.lo, task.threat.hi)
        move = self.pace * self._length(k)
        threshold = (state.threshold + torch.where(wrong, move, -move)).clamp(0, 1)
        apart = by_pixel((x - task.x) / width).square().sum(1).sqrt()
        x = torch.where((apart < threshold[:, None])[:, None], by_pixel(task.x), by_pixel(x)).reshape(x.shape)
        if k + 1 == self.steps:
            return state._replace(x=x, logits=None)
        logits, loss, grad = task.ascent(x, "margin")
        return SigmaZeroState(x, logits, loss, grad, mean, square, threshold)

    def _length(self, k: int) -> float:
        """Return the step size after step k, as a share of the width of the bounds."""
        falling = (1 + math.cos(math.pi * max(k, 0) / self.steps)) / 2
        return self.first * (LAST_STEP + (1 - LAST_STEP) * falling)
