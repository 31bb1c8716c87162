"""Losses that an attack raises: (logits (N, C), y (N,)) -> (N,). No reduction: samples do not see each other."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from robust.attacks.registry import suggest

Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """-log softmax(logits)[y]."""
    return F.cross_entropy(logits, y, reduction="none")


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """max over c != y of z_c, less z_y: above 0 where the label is wrong (Carlini & Wagner 2017, 1608.04644)."""
    right = torch.zeros_like(logits, dtype=torch.bool).scatter(1, y[:, None], True)
    return logits.masked_fill(right, -torch.inf).amax(1) - logits.gather(1, y[:, None])[:, 0]


LOSSES: dict[str, Loss] = {"ce": cross_entropy, "margin": margin}


def loss_named(loss: str | Loss) -> Loss:
    """The loss of that name, or the loss itself; ValueError where the name is unknown."""
    if not isinstance(loss, str):
        return loss
    if loss not in LOSSES:
        raise ValueError(f"unknown loss {suggest(loss, LOSSES)}")
    return LOSSES[loss]
