"""Losses for attacks to maximise: (logits (N, C), y (N,) int64) -> (N,), without a reduction over samples.

Each has a targeted form, (logits, y, target (N,) int64) -> (N,), which increases as the answer approaches the target.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor], Tensor]
Targeted = Callable[[Tensor, Tensor, Tensor], Tensor]

TINY = 1e-12  # keeps a quotient finite where all logits are equal


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Return -log softmax(logits)[y], (N,)."""
    return F.cross_entropy(logits, y, reduction="none")


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """Return max over c != y of z_c, minus z_y: above 0 for a wrong answer (Carlini & Wagner 2017, 1608.04644)."""
    return logits.scatter(1, y[:, None], -torch.inf).amax(1) - _at(logits, y)


def dlr(logits: Tensor, y: Tensor) -> Tensor:
    """Return the margin over the distance of the largest logit to the third: scaling the logits does not change it.

    Croce and Hein 2020 (2003.01690). Raise ValueError for fewer than 3 classes.
    """
    top = _largest(logits, 3, "dlr")
    return margin(logits, y) / (top[:, 0] - top[:, 2] + TINY)


def scale_free_cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Return the margin, with the gradient of the cross-entropy of logits / gap; the gap is largest minus second logit.

    The gap is a constant to the gradient, so logits that are far apart do not underflow (as in LAFEAT, Yu et al., CVPR
    2021). The value of that cross-entropy does not show how near the boundary is: its largest logit is always 1 above
    the second, so with two classes it is constant, and with more it decreases as the other classes come nearer.
    """
    return _replace_gradient(margin(logits, y), cross_entropy(logits / _gap(logits), y))


def cross_entropy_to(logits: Tensor, y: Tensor, target: Tensor) -> Tensor:
    """Return log softmax(logits)[target], (N,)."""
    return -F.cross_entropy(logits, target, reduction="none")


def margin_to(logits: Tensor, y: Tensor, target: Tensor) -> Tensor:
    """Return z_target - z_y, (N,)."""
    return _at(logits, target) - _at(logits, y)


def dlr_to(logits: Tensor, y: Tensor, target: Tensor) -> Tensor:
    """Return z_target - z_y over the distance of the largest logit to the mean of the third and fourth (2003.01690).

    Raise ValueError for fewer than 4 classes.
    """
    top = _largest(logits, 4, "the targeted dlr")
    return margin_to(logits, y, target) / (top[:, 0] - (top[:, 2] + top[:, 3]) / 2 + TINY)


def scale_free_cross_entropy_to(logits: Tensor, y: Tensor, target: Tensor) -> Tensor:
    """Return z_target - z_y, with the gradient of log softmax(logits / gap)[target]; gap as above."""
    return _replace_gradient(margin_to(logits, y, target), cross_entropy_to(logits / _gap(logits), y, target))


LOSSES: dict[str, tuple[Loss, Targeted]] = {
    "ce": (cross_entropy, cross_entropy_to),
    "margin": (margin, margin_to),
    "dlr": (dlr, dlr_to),
    "sice": (scale_free_cross_entropy, scale_free_cross_entropy_to),
}


def _at(logits: Tensor, y: Tensor) -> Tensor:
    """Return the logit of class y, (N,)."""
    return logits.gather(1, y[:, None]).squeeze(1)  # whose gradient is a view, that of [:, 0] a copy


def _replace_gradient(value: Tensor, loss: Tensor) -> Tensor:
    """Return `value`, (N,), with the gradient of `loss`, (N,)."""
    return value.detach() + (loss - loss.detach())


def _gap(logits: Tensor) -> Tensor:
    """Return the largest logit minus the second, (N, 1), detached."""
    top = logits.detach().topk(2, dim=1).values
    return (top[:, :1] - top[:, 1:]).clamp_min(TINY)


def _largest(logits: Tensor, k: int, name: str) -> Tensor:
    """Return the k largest logits, (N, k), in descending order; raise ValueError if there are fewer classes."""
    classes = logits.shape[1]
    if classes < k:
        raise ValueError(f"{name} needs {k} classes or more, the model has {classes}; use the loss margin")
    return logits.topk(k, dim=1).values
