"""C&W: Carlini and Wagner 2017 (1608.04644), for l2."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from robust.attacks.geometry import per_sample
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task

INSIDE = 0.999999  # of the box's half width: how near to its edge a start may be, where tanh has no slope
GROWTH = 10.0  # of the factor, until a search finds something
DECAY_1, DECAY_2 = 0.9, 0.999  # Adam's


class CWState(NamedTuple):
    """The state: where one search for each sample stands, and between which factors the next one looks."""

    x: Tensor
    logits: Tensor | None
    margin: Tensor  # (n,) at x
    grad: Tensor  # (n, *features), of the margin at x
    w: Tensor  # (n, *features): x in a space without a box
    mean: Tensor  # Adam's, of the gradients
    square: Tensor  # Adam's, of their squares
    factor: Tensor  # (n,): of the margin, against the squared distance
    low: Tensor  # (n,): the largest factor that found nothing
    high: Tensor  # (n,): the smallest that found something, at first inf
    found: Tensor  # (n,) bool: whether this search did


@ATTACKS.register("cw")
@dataclass(frozen=True, slots=True)
class CW:
    """The squared distance and a factor times the margin, lowered by Adam; the factor is found by bisection.

    `searches` one after the other, of `steps` / `searches` steps each. The defaults are for hundreds of steps, the
    paper takes tens of thousands: "cw:steps=90000:searches=9:lr=0.01:factor=0.001" is nearer to that.
    """

    steps: int = 900
    searches: int = 5
    lr: float = 0.05
    factor: float = 0.1  # of the margin, in the first search
    confidence: float = 0.0  # the margin that is wanted, in logits

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
        return self._begun(task, factor, torch.zeros_like(factor), torch.full_like(factor, torch.inf))

    def step(self, task: Task, state: CWState, k: int) -> CWState:
        each = self.steps // self.searches
        search = min(k // each, self.searches - 1)  # the last has what the division leaves
        age = k - search * each
        if search and age == 0:
            low, high = self._bracket(state)
            factor = torch.where(high.isfinite(), (low + high) / 2, state.factor * GROWTH)
            state = self._begun(task, factor, low, high)
        state = self._descended(task, state, age + 1)
        middle, half = _box(task)
        x = middle + half * state.w.tanh()
        if k + 1 == self.steps:
            return state._replace(x=x, logits=None)
        logits, margin, grad = task.ascent(x, "margin")
        return state._replace(
            x=x, logits=logits, margin=margin, grad=grad, found=state.found | (margin > self.confidence)
        )

    def _begun(self, task: Task, factor: Tensor, low: Tensor, high: Tensor) -> CWState:
        """A search from the clean input."""
        middle, half = _box(task)
        w = torch.atanh(INSIDE * (task.x - middle) / half)
        logits, margin, grad = task.ascent(task.x, "margin")
        nothing, never = torch.zeros_like(w), torch.zeros_like(factor, dtype=torch.bool)
        return CWState(task.x, logits, margin, grad, w, nothing, nothing, factor, low, high, never)

    def _bracket(self, state: CWState) -> tuple[Tensor, Tensor]:
        """(low, high) after a search."""
        return (
            torch.where(state.found, state.low, state.factor),
            torch.where(state.found, state.factor, state.high),
        )

    def _descended(self, task: Task, state: CWState, count: int) -> CWState:
        """Step number `count` of Adam (1412.6980), on ||x' - x||^2 + factor * max(confidence - margin, 0)."""
        half = _box(task)[1]
        pull = torch.where(state.margin < self.confidence, state.factor, torch.zeros_like(state.factor))
        grad = 2 * (state.x - task.x) - per_sample(pull, state.x) * state.grad
        grad = grad * half * (1 - state.w.tanh().square())
        mean = DECAY_1 * state.mean + (1 - DECAY_1) * grad
        square = DECAY_2 * state.square + (1 - DECAY_2) * grad.square()
        pace = (square / (1 - DECAY_2**count)).sqrt() + 1e-8
        return state._replace(w=state.w - self.lr * mean / (1 - DECAY_1**count) / pace, mean=mean, square=square)


def _box(task: Task) -> tuple[float, float]:
    """(middle, half width) of what inputs may be."""
    return (task.threat.lo + task.threat.hi) / 2, (task.threat.hi - task.threat.lo) / 2
