"""The success of an attack on a sample: the input is admitted by the threat model, and the model's answer is wrong."""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from robust.attacks.drawn import FORMED, Drawn, share_wrong
from robust.attacks.draws import LOOKED_AT
from robust.attacks.lift import lower
from robust.attacks.task import HOPE, Model, Task

SLACK = 0.1  # of the answers: by so much luck decides, and the later iterate is the better one
SURE = 0.8  # of the answers of a random model: an attack that has made so many wrong may end


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
    if task.drawn is not None:
        return _judge_draws(task, task.drawn, x, logits)
    logits = task.logits(x) if logits is None else logits
    finite = task.criterion.finite(logits)
    right = finite & task.criterion.accepts(logits, task.y)
    if bool(right.all()):  # as after most steps; what follows takes as long as a model's answers to a few inputs
        none = torch.zeros_like(right)
        return Verdict(none, none, logits, clear=True)
    adversarial = finite & ~right
    wrong = adversarial.clone()
    adversarial[wrong] = task.threat_of(wrong).admits(x[wrong], task.x[wrong])
    if task.exact is not None:
        adversarial[adversarial.clone()] = _is_wrong(task.only(adversarial), task.exact, x[adversarial])
    return Verdict(adversarial, ~finite, logits, clear=False)


def _judge_draws(task: Task, drawn: Drawn, x: Tensor, logits: Tensor | None) -> Verdict:
    """Judge the iterates of a model that answers at random: by a few draws, and where these give hope by the test.

    What luck decides at one iterate is asked anew at the next, so the most hopeful one is kept for a last test.
    """
    assert task.hopes is not None
    answers = task.draw(x, LOOKED_AT)
    finite = torch.stack([task.criterion.finite(answer) for answer in answers]).all(0)
    before = task.hopes.share[task.place] - SLACK
    hopeful = finite & (share_wrong(drawn, answers, task.y, task.criterion) >= before)
    hopeful[hopeful.clone()] = task.threat_of(hopeful).admits(x[hopeful], task.x[hopeful])
    adversarial = torch.zeros_like(hopeful)
    if bool(hopeful.any()):
        adversarial[hopeful.clone()] = _look_again(task.only(hopeful), drawn, x[hopeful])
    logits = answers.mean(0) if logits is None else logits
    return Verdict(adversarial, ~finite, logits, clear=bool(finite.all()) and not bool(adversarial.any()))


def _look_again(task: Task, drawn: Drawn, x: Tensor) -> Tensor:
    """Keep the iterates, (n, *features), that more draws find more hopeful; return which the test shows wrong, (n,)."""
    assert task.hopes is not None
    share = share_wrong(drawn, task.draw(x, FORMED), task.y, task.criterion)
    before = task.hopes.share[task.place]
    better = share >= (before - SLACK).clamp_min(HOPE)
    task.hopes.share[task.place[better]] = before.maximum(share)[better]
    task.hopes.x[task.place[better]], task.hopes.theta[task.place[better]] = lower(task.threat, x[better])
    wrong = better & (share >= SURE)
    wrong[wrong.clone()] = task.only(wrong).decide(x[wrong]).wrong
    return wrong


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
