"""The boundary to another class of the linearised model."""

import torch
from torch import Tensor

from robust.attacks.task import Task


def nearest_boundary(task: Task, x: Tensor, logits: Tensor, candidates: int) -> tuple[Tensor, Tensor]:
    """Return gap (n,) and slope (n, *features) of a boundary seen from x, (n, *features), with logits (n, classes).

    A step d with <slope, d> = gap leads to z_c = z_y. Class c is the target; without one it is the class whose boundary
    is nearest in the threat's norm, of the `candidates` other classes with the largest logits. The gap is below 0 where
    z_c is already the larger. Of another criterion it is the boundary where the margin is 0. The cost is one gradient
    for a target, or by another criterion, else one for each candidate.
    """
    if task.target is not None or str(task.criterion) != "class":  # else the margin is the only boundary
        # Not the criterion's loss: beyond the boundary that may go on to worse answers.
        loss = "margin" if task.target is not None else task.criterion.margin
        _, gain, slope = task.ascent(x, loss)
        return -gain, slope
    k = min(candidates + 1, logits.shape[1])
    classes = logits.scatter(1, task.y[:, None], torch.inf).topk(k, dim=1).indices  # the label's class is the first
    logits, grads = task.gradients(x, classes)
    z = logits.gather(1, classes)
    gaps, slopes = z[:, :1] - z[:, 1:], grads[:, 1:] - grads[:, :1]
    steep = task.threat.dual(slopes.flatten(0, 1)).view(gaps.shape)
    nearest = (gaps.abs() / steep.clamp_min(torch.finfo(steep.dtype).tiny)).argmin(1)
    row = torch.arange(len(x), device=x.device)
    return gaps[row, nearest], slopes[row, nearest]
