"""Whether a gradient keeps what it promises: by how much the margin grows on a small step along it."""

import torch
from torch import Tensor

from robust.attacks.losses import margin
from robust.attacks.task import Task

STEP = 0.05  # of eps: on so short a step the honest networks of the tests are all but linear


def kept(task: Task, share: float) -> Tensor:
    """(k,): the gain on a step from a start in `share` of the ball over what is promised, where that is not 0."""
    x = task.start(share)
    _, before, grad = task.ascent(x, "margin")
    moved = task.threat.step(x, grad, STEP * float(task.threat.eps)).clamp(task.threat.lo, task.threat.hi)
    promised, gained = (grad * (moved - x)).flatten(1).sum(1), margin(task.logits(moved), task.y) - before
    return (gained / promised)[promised > 0].cpu()


def joined(parts: list[Tensor]) -> Tensor:
    return torch.cat([torch.zeros(0), *parts])
