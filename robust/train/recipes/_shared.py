"""Losses and gradients that several recipes use."""

import torch
from torch import Tensor, nn
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


def check_beta(beta: float) -> None:
    """Raise ValueError for a factor of the divergence that would reward answers for changing."""
    if not beta >= 0:
        raise ValueError(f"beta must be 0 or above, got {beta:g}")


def distill(teacher: nn.Module, x: Tensor, logits: Tensor, y: Tensor, temperature: float) -> Tensor:
    """Return the mean divergence of `logits`, (N, C), from the teacher's at x, both softened by a temperature.

    It is times the square of the temperature, so that its gradients keep their size (1503.02531).
    """
    with torch.no_grad():
        target = teacher(x) / temperature
    return temperature**2 * divergence_from(target)(logits / temperature, y).mean()
