"""Where the boundary to another class would lie if the model were linear."""

import torch
from torch import Tensor

from robust.attacks.task import Task


def nearest_boundary(task: Task, x: Tensor, logits: Tensor, candidates: int) -> tuple[Tensor, Tensor]:
    """(gap (n,), slope (n, *features)) at x, whose logits are known: <slope, d> = gap leads to z_c = z_y.

    c is the target, or of the `candidates` likeliest other classes the one whose boundary is nearest in the threat's
    norm. The gap is below 0 where z_c is already the larger. A target costs one gradient, else each candidate does.
    """
    if task.target is not None:
        _, gain, slope = task.ascent(x, "margin")
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
