"""PGD, projected gradient descent: Madry et al. 2018 (1706.06083); cycles are left as in 2503.19347."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from robust.attacks.losses import Loss, check_loss
from robust.attacks.registry import ATTACKS
from robust.attacks.rng import Rng
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Task

FIRST_CYCLE = 8  # steps; hardly any sample cycles earlier, and short attacks, as in training, need not look

BITS = {torch.float32: torch.int32, torch.float64: torch.int64, torch.float16: torch.int16, torch.bfloat16: torch.int16}


class PGDState(NamedTuple):
    """The state: the iterate, and in which moves the sample was seen before."""

    x: Tensor
    logits: Tensor | None
    grad: Tensor
    seen: Tensor  # (n, moves) int64: their fingerprints
    done: Tensor  # (n,) bool: in a cycle, so that no further step finds anything new


@ATTACKS.register("pgd")
@dataclass(frozen=True, slots=True)
class PGD:
    """`steps` steps of `stride` eps along the steepest ascent of the loss, each projected, from a random start.

    With `last` the steps shrink along half a cosine to that length. Without, for linf, an iterate determines all that
    follow, so a sample that comes back to one is done.

    For l1 a step goes the share `stride` of the way to the corner of the ball and the box that the gradient points to;
    the first go further, the very first all the way (Frank and Wolfe 1956; as an attack Chen et al. 2020, 1811.10828).
    A projection would spread what a step gained over coordinates of less worth, and lose to one step of the full eps.
    """

    steps: int = 40
    stride: float = 0.25  # length of a step, as a share of eps
    start: float = 1.0  # size of the random start, as a share of the ball; 0 starts at x
    loss: str | Loss = "ce"
    last: float | None = None  # length of the last step, as a share of eps; None: that of all

    def __post_init__(self) -> None:
        check_at_least_1("steps", self.steps)
        if self.stride <= 0:
            raise ValueError(f"stride, a share of eps, must be above 0, got {self.stride:g}")
        if self.last is not None and self.last <= 0:
            raise ValueError(f"last, a share of eps, must be above 0, got {self.last:g}")
        if not 0 <= self.start <= 1:
            raise ValueError(f"start, a share of the ball, must be from 0 to 1, got {self.start:g}")
        check_loss(self.loss)

    def init(self, task: Task) -> PGDState:
        x = task.start(self.start)
        logits, _, grad = task.ascent(x, self.loss)
        none = torch.zeros(len(x), 0, dtype=torch.int64, device=x.device)
        return PGDState(x, logits, grad, none, torch.zeros(len(x), dtype=torch.bool, device=x.device))

    def step(self, task: Task, state: PGDState, k: int) -> PGDState:
        eps = float(task.threat.eps)
        if task.threat.norm == "l1":
            corner = task.threat.step(task.x, state.grad, eps)
            x = state.x.lerp(corner, min(1.0, max(self._stride(k), 2 / (k + 2))))  # theirs, but no less than stride
        else:
            x = task.threat.step(state.x, state.grad, self._stride(k) * eps)
        seen, done = state.seen, state.done
        if k >= FIRST_CYCLE and self.last is None and task.threat.norm == "linf":
            # Of the move, not only of the iterate: a model that draws may give another gradient at the same place.
            mark = fingerprint(x)[:, None]
            seen, done = torch.cat((seen, mark), 1), (seen == mark).any(1)
        x = task.threat.project(x, task.x)
        if k + 1 == self.steps:  # nobody will use a gradient at the last iterate
            return PGDState(x, None, state.grad, seen, done)
        logits, _, grad = task.ascent(x, self.loss)
        return PGDState(x, logits, grad, seen, done)

    def _stride(self, k: int) -> float:
        if self.last is None or self.steps == 1:
            return self.stride
        return self.last + (self.stride - self.last) * (1 + math.cos(math.pi * k / (self.steps - 1))) / 2


def fingerprint(x: Tensor) -> Tensor:
    """(N,) int64: equal for equal inputs, to the last bit, and for others by a chance of about 2**-40."""
    bits = x.flatten(1).view(BITS[x.dtype])
    keys = Rng.of(0, torch.arange(bits.shape[1], device=x.device)).key | 1
    return (bits * keys.to(x.device)).sum(1)
