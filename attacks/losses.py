"""Losses that an attack raises: (logits (N, C), y (N,)) -> (N,). No reduction: samples do not see each other.

Each has a targeted form, (logits, y, target (N,)) -> (N,), which rises as the answer comes closer to the target.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from robust.attacks.registry import suggest

Loss = Callable[[Tensor, Tensor], Tensor]
Targeted = Callable[[Tensor, Tensor, Tensor], Tensor]

TINY = 1e-12  # keeps a quotient finite where all logits are equal


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """-log softmax(logits)[y]."""
    return F.cross_entropy(logits, y, reduction="none")


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """max over c != y of z_c, less z_y: above 0 where the label is wrong (Carlini & Wagner 2017, 1608.04644)."""
    right = torch.zeros_like(logits, dtype=torch.bool).scatter(1, y[:, None], True)
    return logits.masked_fill(right, -torch.inf).amax(1) - _at(logits, y)


def dlr(logits: Tensor, y: Tensor) -> Tensor:
    """The margin over the distance of the largest logit to the third: no scaling of logits changes it.

    Croce and Hein 2020 (2003.01690). ValueError for fewer than 3 classes.
    """
    top = _largest(logits, 3, "dlr")
    return margin(logits, y) / (top[:, 0] - top[:, 2] + TINY)


def scale_free_cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """The margin, with the gradient of the cross-entropy of the logits over the distance of the largest to the second.

    The distance is a constant to the gradient, so logits that are far apart no longer underflow (as in LAFEAT, Yu et
    al., CVPR 2021). That cross-entropy itself says nothing of how near the boundary is: its largest logit is always 1
    above the second, so with two classes it is constant, and with more it falls as the others come nearer.
    """
    return _leading(margin(logits, y), cross_entropy(logits / _gap(logits), y))


def cross_entropy_to(logits: Tensor, y: Tensor, target: Tensor) -> Tensor:
    """log softmax(logits)[target]."""
    return -F.cross_entropy(logits, target, reduction="none")


def margin_to(logits: Tensor, y: Tensor, target: Tensor) -> Tensor:
    """z_target - z_y."""
    return _at(logits, target) - _at(logits, y)


def dlr_to(logits: Tensor, y: Tensor, target: Tensor) -> Tensor:
    """z_target - z_y, over the distance of the largest logit to the mean of the third and fourth (2003.01690).

    ValueError for fewer than 4 classes.
    """
    top = _largest(logits, 4, "the targeted dlr")
    return margin_to(logits, y, target) / (top[:, 0] - (top[:, 2] + top[:, 3]) / 2 + TINY)


def scale_free_cross_entropy_to(logits: Tensor, y: Tensor, target: Tensor) -> Tensor:
    """z_target - z_y, with the gradient of log softmax(logits / gap)[target], the gap being that of the other form."""
    return _leading(margin_to(logits, y, target), cross_entropy_to(logits / _gap(logits), y, target))


LOSSES: dict[str, tuple[Loss, Targeted]] = {
    "ce": (cross_entropy, cross_entropy_to),
    "margin": (margin, margin_to),
    "dlr": (dlr, dlr_to),
    "sice": (scale_free_cross_entropy, scale_free_cross_entropy_to),
}


def check_loss(loss: str | Loss) -> None:
    """ValueError where a loss is named that is unknown."""
    if isinstance(loss, str) and loss not in LOSSES:
        raise ValueError(f"unknown loss {suggest(loss, LOSSES)}")


def _at(logits: Tensor, y: Tensor) -> Tensor:
    return logits.gather(1, y[:, None])[:, 0]


def _leading(value: Tensor, loss: Tensor) -> Tensor:
    """`value`, (N,), whose gradient is that of `loss`."""
    return value.detach() + (loss - loss.detach())


def _gap(logits: Tensor) -> Tensor:
    """(N, 1), detached: the largest logit less the second."""
    top = logits.detach().topk(2, dim=1).values
    return (top[:, :1] - top[:, 1:]).clamp_min(TINY)


def _largest(logits: Tensor, k: int, name: str) -> Tensor:
    classes = logits.shape[1]
    if classes < k:
        raise ValueError(f"{name} needs {k} classes or more, the model has {classes}; use the loss margin")
    return logits.topk(k, dim=1).values
