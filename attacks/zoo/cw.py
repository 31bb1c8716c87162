"""C&W: Carlini and Wagner 2017 (1608.04644), for l2."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.geometry import per_sample
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task

INSIDE = 0.999999  # a start is at most this share of the half width from the middle: at the edge tanh has no slope
GROWTH = 10.0  # of the factor, from search to search until one succeeds
DECAY_1, DECAY_2 = 0.9, 0.999  # Adam's


class CWState(NamedTuple):
    """The state: one search per sample with its Adam moments, and the bracket of the factor for the next search."""

    x: Tensor
    logits: Tensor | None
    margin: Tensor  # (n,) at x
    grad: Tensor  # (n, *features), of the margin at x
    w: Tensor  # (n, *features): x after the change of variables, without bounds
    mean: Tensor  # Adam's first moment
    square: Tensor  # Adam's second moment
    factor: Tensor  # (n,): the weight of the margin against the squared distance
    low: Tensor  # (n,): the largest factor without success
    high: Tensor  # (n,): the smallest factor with success, at first inf
    success: Tensor  # (n,) bool: whether this search had one


@ATTACKS.register("cw")
@dataclass(frozen=True, slots=True)
class CW:
    """Minimise the squared distance minus a factor times the margin with Adam; bisection finds the factor.

    There are `searches` searches of `steps` / `searches` steps each. The defaults are for hundreds of steps; the paper
    takes tens of thousands, which "cw:steps=90000:searches=9:lr=0.01:factor=0.001" approximates.
    """

    steps: int = 900
    searches: int = 5
    lr: float = 0.05
    factor: float = 0.1  # weight of the margin in the first search
    confidence: float = 0.0  # the margin to reach, in logits
    maps: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        if not 1 <= self.searches <= self.steps:
            raise ValueError(f"searches must be from 1 to the number of steps, {self.steps}, got {self.searches}")
        for name in ("lr", "factor"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name):g}")
        if self.confidence < 0:
            raise ValueError(f"confidence must be 0 or above, got {self.confidence:g}")

    def init(self, task: Task) -> CWState:
        if task.threat.norm != "l2":
            raise ValueError(f"cw is for l2, the threat is {task.threat.norm}; use fmn")
        factor = task.x.new_full((len(task.x),), self.factor)
        return self._start_search(task, factor, torch.zeros_like(factor), torch.full_like(factor, torch.inf))

    def step(self, task: Task, state: CWState, k: int) -> CWState:
        length = self.steps // self.searches
        search = min(k // length, self.searches - 1)  # the last one also has the remainder
        age = k - search * length
        if search and age == 0:
            low, high = self._bracket(state)
            factor = torch.where(high.isfinite(), (low + high) / 2, state.factor * GROWTH)
            state = self._start_search(task, factor, low, high)
        state = self._descend(task, state, age + 1)
        middle, half = _box(task)
        x = middle + half * state.w.tanh()
        if k + 1 == self.steps:
            return state._replace(x=x, logits=None)
        logits, margin, grad = task.ascent(x, "margin")
        return state._replace(
            x=x, logits=logits, margin=margin, grad=grad, success=state.success | (margin > self.confidence)
        )

    def _start_search(self, task: Task, factor: Tensor, low: Tensor, high: Tensor) -> CWState:
        """Return the state of a search from the clean input."""
        middle, half = _box(task)
        w = torch.atanh(INSIDE * (task.x - middle) / half)
        logits, margin, grad = task.ascent(task.x, "margin")
        nothing, never = torch.zeros_like(w), torch.zeros_like(factor, dtype=torch.bool)
        return CWState(task.x, logits, margin, grad, w, nothing, nothing, factor, low, high, never)

    def _bracket(self, state: CWState) -> tuple[Tensor, Tensor]:
        """Return the bracket (low, high) of the factor after a search."""
        return (
            torch.where(state.success, state.low, state.factor),
            torch.where(state.success, state.factor, state.high),
        )

    def _descend(self, task: Task, state: CWState, count: int) -> CWState:
        """Take step number `count` of Adam (1412.6980) on ||x' - x||^2 + factor * max(confidence - margin, 0)."""
        half = _box(task)[1]
        pull = torch.where(state.margin < self.confidence, state.factor, torch.zeros_like(state.factor))
        grad = 2 * (state.x - task.x) - per_sample(pull, state.x) * state.grad
        grad = grad * half * (1 - state.w.tanh().square())
        mean = DECAY_1 * state.mean + (1 - DECAY_1) * grad
        square = DECAY_2 * state.square + (1 - DECAY_2) * grad.square()
        pace = (square / (1 - DECAY_2**count)).sqrt() + 1e-8
        return state._replace(w=state.w - self.lr * mean / (1 - DECAY_1**count) / pace, mean=mean, square=square)


def _box(task: Task) -> tuple[float, float]:
    """Return (middle, half width) of the bounds."""
    return (task.threat.lo + task.threat.hi) / 2, (task.threat.hi - task.threat.lo) / 2
