"""Losses and gradients that several recipes use."""

import torch
from torch import Tensor
from torch.nn import functional as F

from robust.attacks.losses import Loss
from robust.attacks.task import Task


def divergence_from(clean: Tensor) -> Loss:
    """Return the loss KL(softmax(clean) || softmax(logits)), (N,); `clean` are logits (N, C)."""
    target = F.log_softmax(clean, dim=1)

    def divergence(logits: Tensor, y: Tensor) -> Tensor:
        del y
        return F.kl_div(F.log_softmax(logits, dim=1), target, reduction="none", log_target=True).sum(1)

    return divergence


def input_gradient(task: Task, x: Tensor) -> Tensor:
    """Return d cross-entropy / d x at x, (N, features), differentiable with respect to the weights."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        loss = F.cross_entropy(task.model(x.clone()), task.y, reduction="sum")
        (grad,) = torch.autograd.grad(loss, x, create_graph=True)
    return grad.flatten(1)
