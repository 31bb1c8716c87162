"""shattered-gradients: a small step along the gradient does not do what the gradient says, or does far more."""

import torch
from torch import Tensor

from robust.attacks.losses import margin
from robust.attacks.task import Task
from robust.trust.catalogue import SIGNS
from robust.trust.doubt import Doubt
from robust.trust.signs._shared import significant
from robust.trust.trial import Trial

STEP = 0.05  # of eps: so near, networks are all but linear; of 14 honest ones every sample kept within a tenth
KEPT = (0.5, 2.0)  # of what was promised, what must come true
MOST = 0.05  # of the samples that may lie at a kink


@SIGNS.register("shattered-gradients")
def shattered_gradients(trial: Trial) -> Doubt | None:
    """A gradient that is right at one point only leads nowhere (1802.00420); at the clean inputs and at random ones."""
    _ = trial.white
    for start, where in ((0.0, "clean"), (1.0, "random")):
        kept = trial.tasks(lambda task, start=start: _kept(task, task.start(start)), trial.standing)
        ratio = torch.cat(kept) if kept else torch.zeros(0)
        low, high = KEPT
        wrong, n = int((~((ratio >= low) & (ratio <= high))).sum()), len(ratio)
        ...
    return None


def _kept(task: Task, x: Tensor) -> Tensor:
    """(n,): by how much the margin grew on a small step, as a share of what the gradient promised."""
    _, before, grad = task.ascent(x, "margin")
    moved = task.threat.step(x, grad, STEP * float(task.threat.eps)).clamp(task.threat.lo, task.threat.hi)
    promised = (grad * (moved - x)).flatten(1).sum(1)
    return (margin(task.logits(moved), task.y) - before) / promised
