"""The optimiser, the schedule and the loss of a plan."""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR

from robust.attacks.criteria.registry import label_kind, read_criterion
from robust.data.dataset import Samples
from robust.distributed.ranks import ALONE, Ranks
from robust.models.rescaled import measure_scale
from robust.train.plan import SHAPES, Plan
from robust.train.recipe import LossFunction


def build_optimiser(module: nn.Module, plan: Plan) -> Optimizer:
    """Return the plan's optimiser over the parameters that are not frozen; ValueError if there are none."""
    learning = [p for p in module.parameters() if p.requires_grad]
    if not learning:
        raise ValueError("there is nothing to train: the module has no parameters that are not frozen")
    options: Any = {"lr": plan.lr, "weight_decay": plan.weight_decay}
    match plan.optimiser:
        case "adam":
            return Adam(learning, **options)
        case "adamw":
            return AdamW(learning, **options)
        case "rmsprop":
            return RMSprop(learning, momentum=plan.momentum, **options)
    return SGD(learning, momentum=plan.momentum, nesterov=plan.momentum > 0, **options)


def build_schedule(optimiser: Optimizer, plan: Plan, steps: int) -> Any:
    """Return the plan's scheduler of torch, to be stepped after each of `steps` steps of the optimiser."""
    if plan.schedule == "one-cycle":
        assert plan.lr is not None
        return OneCycleLR(optimiser, plan.lr, steps, anneal_strategy="linear", cycle_momentum=False)
    shape, rise = SHAPES[plan.schedule], max(plan.warmup * steps // plan.epochs, 1)
    return LambdaLR(optimiser, lambda step: min((step + 1) / rise, 1.0) * shape(min((step + 0.5) / steps, 1.0)))


def build_criterion(
    plan: Plan, learn: Samples, classes: int, device: torch.device, ranks: Ranks = ALONE
) -> LossFunction:
    """Return the plan's cross-entropy, with smoothed labels and weighted classes: (logits (N, C), y (N,)) -> scalar.

    Of other labels it is the natural loss of their criterion: squared errors, or cross-entropies of labels or pixels.

    It is the mean over the batch. With weighted classes it is divided by the weights of the whole batch, not by those
    of a rank's share.
    """
    kind = label_kind(learn.criterion)
    if kind == "values":  # by the labels' deviation: rates that suit a loss of about 1 are the usual ones
        return partial(_scaled_squares, torch.from_numpy(measure_scale(learn.y)[1]).to(device))
    if kind in ("bits", "map"):
        natural = read_criterion(learn.criterion)
        return lambda logits, y: natural.loss("ce", logits, y).mean()
    weight = None
    if plan.class_weights == "balanced":
        counts = np.bincount(learn.y, minlength=classes)
        weight = torch.from_numpy(len(learn) / (np.count_nonzero(counts) * np.maximum(counts, 1))).float().to(device)
    mean: LossFunction = partial(F.cross_entropy, weight=weight, label_smoothing=plan.smoothing)
    if weight is None or ranks.size == 1:
        return mean

    def shared(logits: Tensor, y: Tensor) -> Tensor:
        local = torch.stack([weight[y].sum(), weight.new_tensor(len(y))])
        weights, n = ranks.total(local)
        scale: Tensor = local[0] / weights * n / local[1]
        return mean(logits, y) * scale

    return shared


def _scaled_squares(scale: Tensor, values: Tensor, y: Tensor) -> Tensor:
    """Return the mean over the batch of the squared errors over the scale, (k,); an unknown label has none."""
    labels = y.reshape(values.shape)
    known = ~labels.isnan()
    error = torch.where(known, values - torch.where(known, labels, 0), 0) / scale
    return error.square().sum(1).mean()


def l1_penalty(module: nn.Module, plan: Plan) -> Tensor:
    """Return the sum of the absolute values of the weights that are not frozen, times the plan's l1."""
    return plan.l1 * torch.stack([p.abs().sum() for p in module.parameters() if p.requires_grad]).sum()
