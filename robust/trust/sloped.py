"""An attack along measured slopes, where no gradient leads anywhere: new directions mend the estimate at each step."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from robust.attacks.engine import Attack
from robust.attacks.rng import Rng
from robust.attacks.task import Task
from robust.trust.slopes import reach

DIRECTIONS = 24  # of which the slopes are measured at each step, by two queries each
STEP = 0.125  # of the ball
STREAM = 0x51  # number of the stream of random numbers of the directions


class SlopedState(NamedTuple):
    """The state: `inner` is that of the attack that follows the estimate."""

    x: Tensor
    logits: None
    inner: Any
    estimate: Tensor  # (n, features): of the gradient of the loss at the last query


@dataclass(frozen=True, slots=True)
class Sloped:
    """`attack` on `model` with an estimate in place of its gradient.

    A gradient changes little from one step of an attack to the next. So the last estimate is kept, except along the
    directions of this step, for which it becomes what was measured. After as many steps as the features have directions
    it is whole (compare the priors of Ilyas, Engstrom and Madry 2019, 1807.07978).
    """

    attack: Attack[Any]
    model: nn.Module

    @property
    def steps(self) -> int:
        return self.attack.steps

    def init(self, task: Task) -> SlopedState:
        nothing = torch.zeros_like(task.x).flatten(1)
        return self._query(task, nothing, 0, self.attack.init)

    def step(self, task: Task, state: SlopedState, k: int) -> SlopedState:
        return self._query(task, state.estimate, k + 1, lambda inner: self.attack.step(inner, state.inner, k))

    def _query(self, task: Task, estimate: Tensor, k: int, run: Callable[[Task], Any]) -> SlopedState:
        slopes = _Slopes(self.model, _draw_directions(task, k), STEP * reach(task.threat, task.x), estimate)
        inner = run(replace(task, model=lambda x: _Numeric.apply(x, slopes)))  # type: ignore[no-untyped-call]
        task.cost.forwards[task.place] += slopes.queries
        return SlopedState(inner.x, None, inner, slopes.estimate)


class _Slopes:
    """The model, k directions, and the estimate that they mend."""

    def __init__(self, model: nn.Module, directions: Tensor, step: float, estimate: Tensor) -> None:
        self.model, self.directions, self.estimate = model, directions, estimate
        self.queries = 0  # of each input, for slopes
        self.step = step * directions.shape[0] ** 0.5  # a direction has length 1: then this is its elements' size

    def mend(self, x: Tensor, weights: Tensor) -> Tensor:
        """Return the gradient of the weighted logits, (n, *features); weights is (n, classes)."""
        self.queries += 2 * self.directions.shape[1]
        for d in self.directions.T:
            offset = (self.step * d).view_as(x[0])
            with torch.no_grad():
                change = self.model(x + offset) - self.model(x - offset)
            slope = (weights * change).flatten(1).sum(1) / (2 * self.step)
            self.estimate = self.estimate + (slope - self.estimate @ d)[:, None] * d
        return self.estimate.view_as(x)


class _Numeric(torch.autograd.Function):
    """The model, with the estimate as its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slopes: _Slopes) -> Tensor:
        ctx.slopes = slopes
        ctx.save_for_backward(x)
        answer: Tensor = slopes.model(x)
        return answer

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return ctx.slopes.mend(x, grads[0]), None


def _draw_directions(task: Task, k: int) -> Tensor:
    """Draw orthonormal directions, (features, at most DIRECTIONS): the same for all samples, whatever their batch."""
    features = task.x[0].numel()
    like = task.x.new_empty(1, features, min(DIRECTIONS, features))
    rng = Rng.of(STREAM, torch.zeros(1, dtype=torch.int64, device=task.x.device)).fold(k)
    directions: Tensor = torch.linalg.qr(rng.normal(like)[0]).Q
    return directions
