"""The success of an attack on a sample: the input is admitted by the threat model, and the model's answer is wrong."""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from robust.attacks.task import Model, Task


class Verdict(NamedTuple):
    """The judgement of the model's answers to n inputs."""

    adversarial: Tensor  # (n,) bool: admitted and answered wrong
    faulty: Tensor  # (n,) bool: the answer is not finite
    margin: Tensor  # (n,): how far the label is missed; -inf where the answer is not finite


def judge(task: Task, x: Tensor, logits: Tensor | None) -> Verdict:
    """Judge the iterates x, (n, *features); `logits` are the model's answers to them, or None to query it."""
    if not len(x):
        none = torch.zeros(0, dtype=torch.bool, device=x.device)
        return Verdict(none, none, x.new_zeros(0))
    logits = task.logits(x) if logits is None else logits
    finite = task.criterion.finite(logits)
    adversarial = finite & ~task.criterion.accepts(logits, task.y)
    adversarial[adversarial.clone()] = task.threat.admits(x[adversarial], task.x[adversarial])
    if task.exact is not None:
        adversarial[adversarial.clone()] = _is_wrong(task.only(adversarial), task.exact, x[adversarial])
    return Verdict(adversarial, ~finite, task.criterion.margin(logits, task.y).masked_fill(~finite, -torch.inf))


def _is_wrong(task: Task, model: Model, x: Tensor) -> Tensor:
    """Mark the iterates, (n, *features), to which `model` gives a finite, wrong answer, (n,) bool."""
    if not len(x):
        return torch.zeros(0, dtype=torch.bool, device=x.device)
    logits = replace(task, model=model).logits(x)
    return task.criterion.finite(logits) & ~task.criterion.accepts(logits, task.y)
