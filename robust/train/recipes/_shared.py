"""Losses and gradients that several recipes use."""

import torch
from torch import Tensor
from torch.nn import functional as F

from robust.attacks.criteria.criterion import LabelKind
from robust.attacks.losses import Loss
from robust.attacks.task import Task


def divergence_from(clean: Tensor, kind: LabelKind = "class") -> Loss:
    """Return the loss KL(softmax(clean) || softmax(logits)), (N,); `clean` are logits (N, C).

    Of separate labels it is the sum of the divergences of each; of values the squared difference; of maps the mean
    over all pixels, also over those that do not count.
    """
    if kind == "values":
        return lambda values, y: (values - clean).square().sum(1)
    if kind == "bits":
        return lambda logits, y: _separate_divergence(clean, logits)
    target = F.log_softmax(clean, dim=1)

    def divergence(logits: Tensor, y: Tensor) -> Tensor:
        del y
        apart = F.kl_div(F.log_softmax(logits, dim=1), target, reduction="none", log_target=True).sum(1)
        return apart if kind == "class" else apart.flatten(1).mean(1)

    return divergence


def _separate_divergence(clean: Tensor, logits: Tensor) -> Tensor:
    """Return the sum over labels of KL(sigmoid(clean) || sigmoid(logits)), (N,)."""
    p = clean.sigmoid()
    on = p * (F.logsigmoid(clean) - F.logsigmoid(logits))
    off = (1 - p) * (F.logsigmoid(-clean) - F.logsigmoid(-logits))
    return (on + off).sum(1)


def input_gradient(task: Task, x: Tensor) -> Tensor:
    """Return d cross-entropy / d x at x, (N, features), differentiable with respect to the weights."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        loss = F.cross_entropy(task.model(x.clone()), task.y, reduction="sum")
        (grad,) = torch.autograd.grad(loss, x, create_graph=True)
    return grad.flatten(1)
