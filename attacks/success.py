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
    logits: Tensor  # (n, classes): the answers
    clear: bool  # whether every answer is finite and right, so that both masks are empty


def judge(task: Task, x: Tensor, logits: Tensor | None) -> Verdict:
    """Judge the iterates x, (n, *features); `logits` are the model's answers to them, or None to query it."""
    if not len(x):
        none = torch.zeros(0, dtype=torch.bool, device=x.device)
        return Verdict(none, none.clone(), x.new_zeros(0), clear=True)
    logits = task.logits(x) if logits is None else logits
    finite = task.criterion.finite(logits)
    right = finite & task.criterion.accepts(logits, task.y)
    if bool(right.all()):  # as after most steps; what follows takes as long as a model's answers to a few inputs
        return Verdict(~right, ~finite, logits, clear=True)  # two masks: an outcome writes into both
    adversarial = finite & ~right
    wrong = adversarial.clone()
    adversarial[wrong] = task.threat_of(wrong).admits(x[wrong], task.x[wrong])
    if task.exact is not None:
        adversarial[adversarial.clone()] = _is_wrong(task.only(adversarial), task.exact, x[adversarial])
    return Verdict(adversarial, ~finite, logits, clear=False)


def margin_of(task: Task, logits: Tensor) -> Tensor:
    """Return how far the answers, (n, classes), miss their labels, (n,); -inf where one is not finite."""
    if not len(logits):
        return logits.new_zeros(0)
    return task.criterion.margin(logits, task.y).masked_fill(~task.criterion.finite(logits), -torch.inf)


def _is_wrong(task: Task, model: Model, x: Tensor) -> Tensor:
    """Mark the iterates, (n, *features), to which `model` gives a finite, wrong answer, (n,) bool."""
    if not len(x):
        return torch.zeros(0, dtype=torch.bool, device=x.device)
    logits = replace(task, model=model).logits(x)
    return task.criterion.finite(logits) & ~task.criterion.accepts(logits, task.y)
