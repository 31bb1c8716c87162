"""The boundary to another class of the linearised model."""

import torch
from torch import Tensor

from robust.attacks.task import Task


def nearest_boundary(task: Task, x: Tensor, logits: Tensor, candidates: int) -> tuple[Tensor, Tensor]:
    """Return gap (n,) and slope (n, *features) of a boundary seen from x, (n, *features), with logits (n, classes).

    A step d with <slope, d> = gap leads to z_c = z_y. Class c is the target; without one it is the class whose boundary
    is nearest in the threat's norm, of the `candidates` other classes with the largest logits. The gap is below 0 where
    z_c is already the larger. Of another criterion it is the boundary where the margin is 0. The cost is one gradient
    for a target, with two classes, or by another criterion, else one for each candidate.
    """
    by_class = str(task.criterion) == "class"
    if task.target is not None or not by_class or logits.shape[1] == 2:  # the margin is the only boundary
        # Not the criterion's loss: beyond the boundary that may go on to worse answers.
        loss = "margin" if task.target is not None or by_class else task.criterion.margin
        _, gain, slope = task.ascent(x, loss)
        return -gain, slope
    k = min(candidates, logits.shape[1] - 1)
    classes = logits.scatter(1, task.y[:, None], -torch.inf).topk(k, dim=1).indices
    logits, slopes = task.gradients(x, classes)
    gaps = logits.gather(1, task.y[:, None]) - logits.gather(1, classes)
    steep = task.threat.dual(slopes.flatten(0, 1)).view(gaps.shape)
    nearest = (gaps.abs() / steep.clamp_min(torch.finfo(steep.dtype).tiny)).argmin(1)
    row = torch.arange(len(x), device=x.device)
    return gaps[row, nearest], slopes[row, nearest]
