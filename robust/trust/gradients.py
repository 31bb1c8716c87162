"""The gradients that an attack meets in each iteration, unchanged; a Task replaces those that are not finite by 0."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from robust.attacks.engine import rounds_of, run_steps
from robust.attacks.factory import make
from robust.attacks.task import Model, Task
from robust.records.trust import NotApplicableError

STEP = 0.05  # of eps: on so short a step the sound networks of the tests are almost linear


@dataclass(frozen=True, slots=True)
class GradientTrace:
    """The k gradients of n samples, in the order in which an attack asked for them."""

    attack: str
    finite: Tensor  # (k, n) bool: the answer and its gradient were finite
    zero: Tensor  # (k, n) bool: all elements of the gradient were 0


def trace_gradients(
    spec: str, run_on_batches: Callable[[Callable[[Task], Any]], list[Any]], load: Callable[[str], Model]
) -> GradientTrace:
    """Record the gradients of the first round of an attack; `run_on_batches` calls a function with each batch's task.

    NotApplicableError if the attack asks for no gradient.
    """
    (attack, enter_round), *_ = rounds_of(make(spec, load))

    def trace_batch(task: Task) -> tuple[Tensor, Tensor]:
        recorder = GradientRecorder(task.model, len(task.x))
        run_steps(attack, enter_round(replace(task, model=recorder)))
        if not recorder.zero:
            raise NotApplicableError(f"{spec} asks for no gradient")
        return torch.stack(recorder.finite).cpu(), torch.stack(recorder.zero).cpu()

    finite, zero = zip(*run_on_batches(trace_batch), strict=True)
    k = min(map(len, finite))  # an attack of another library may end earlier on one batch
    return GradientTrace(spec, *(torch.cat([part[:k] for part in parts], 1) for parts in (finite, zero)))


class GradientRecorder:
    """A model that records whether its gradients are finite or 0, for each query with all n samples."""

    def __init__(self, inner: Model, n: int) -> None:
        self.inner, self.n = inner, n
        self.finite: list[Tensor] = []
        self.zero: list[Tensor] = []

    def __call__(self, x: Tensor) -> Tensor:
        logits = self.inner(x)
        if x.requires_grad and len(x) == self.n:
            finite = logits.detach().flatten(1).isfinite().all(1)
            x.register_hook(lambda grad: self._record(finite, grad.flatten(1)))  # type: ignore[no-untyped-call]
        return logits

    def _record(self, finite: Tensor, grad: Tensor) -> None:
        self.finite.append(finite & grad.isfinite().all(1))
        self.zero.append((grad == 0).all(1))


def measure_linearity(task: Task, share: float) -> Tensor:
    """Measure gain over predicted gain of the margin, for a step of STEP along the gradient.

    The step starts in the ball, shrunk to `share` of its size. Returns (k,), for the samples whose predicted gain is
    above 0.
    """
    x = task.start(share)
    _, before, grad = task.ascent(x, task.criterion.margin)
    moved = task.threat.clip(task.threat.step(x, grad, STEP * float(task.threat.eps)))
    predicted = (grad * (moved - x)).flatten(1).sum(1)
    gain = task.criterion.margin(task.logits(moved), task.y) - before
    return (gain / predicted)[predicted > 0].cpu()


def join_batches(parts: list[Tensor]) -> Tensor:
    """Concatenate the results of the batches; an empty tensor if there were none."""
    return torch.cat([torch.zeros(0), *parts])
