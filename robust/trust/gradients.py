"""The gradients that an attack meets on its way, as they are: a Task gives an attack none that is not a number."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from robust.attacks.engine import rounds_of, run_steps
from robust.attacks.factory import make
from robust.attacks.task import Model, Task
from robust.records.trust import NotApplicableError

STEP = 0.05  # of eps: on so short a step the honest networks of the tests are all but linear


@dataclass(frozen=True, slots=True)
class GradientTrace:
    """What n samples met, from an attack's first look to its last."""

    attack: str
    finite: Tensor  # (looks, n) bool: the answer and the gradient were numbers
    zero: Tensor  # (looks, n) bool: the gradient was 0 everywhere


def trace_gradients(
    word: str, each: Callable[[Callable[[Task], Any]], list[Any]], load: Callable[[str], Model]
) -> GradientTrace:
    """The way of the first round of an attack; `each` does its work on the task of each batch."""
    (first, enter_round), *_ = rounds_of(make(word, load))

    def walk(task: Task) -> tuple[Tensor, Tensor]:
        watched = Watched(task.model, len(task.x))
        run_steps(first, enter_round(replace(task, model=watched)))
        if not watched.zero:
            raise NotApplicableError(f"{word} asks for no gradient")
        return torch.stack(watched.finite).cpu(), torch.stack(watched.zero).cpu()

    finite, zero = zip(*each(walk), strict=True)
    looks = min(map(len, finite))  # an attack of another library may end earlier on one batch
    return GradientTrace(word, *(torch.cat([part[:looks] for part in parts], 1) for parts in (finite, zero)))


class Watched:
    """A model that notes what its gradients are like, where it is shown all n samples."""

    def __init__(self, inner: Model, n: int) -> None:
        self.inner, self.n = inner, n
        self.finite: list[Tensor] = []
        self.zero: list[Tensor] = []

    def __call__(self, x: Tensor) -> Tensor:
        logits = self.inner(x)
        if x.requires_grad and len(x) == self.n:
            finite = logits.detach().isfinite().all(1)
            x.register_hook(lambda grad: self._note(finite, grad.flatten(1)))  # type: ignore[no-untyped-call]
        return logits

    def _note(self, finite: Tensor, grad: Tensor) -> None:
        self.finite.append(finite & grad.isfinite().all(1))
        self.zero.append((grad == 0).all(1))


def linearity(task: Task, share: float) -> Tensor:
    """(k,): the gain on a step from a start in `share` of the ball over what is promised, where that is not 0."""
    x = task.start(share)
    _, before, grad = task.ascent(x, "margin")
    moved = task.threat.step(x, grad, STEP * float(task.threat.eps)).clamp(task.threat.lo, task.threat.hi)
    promised = (grad * (moved - x)).flatten(1).sum(1)
    gained = task.criterion.margin(task.logits(moved), task.y) - before
    return (gained / promised)[promised > 0].cpu()


def join_traces(parts: list[Tensor]) -> Tensor:
    return torch.cat([torch.zeros(0), *parts])
