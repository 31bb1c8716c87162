"""The plan's part of the loss: cross-entropy with its knobs, and a penalty."""

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robust.data.dataset import Samples
from robust.distributed.ranks import ALONE, Ranks
from robust.train.plan import Plan
from robust.train.recipe import Criterion


def criterion(plan: Plan, learn: Samples, classes: int, device: torch.device, ranks: Ranks = ALONE) -> Criterion:
    """Cross-entropy with smoothed labels and weighted classes, as the plan says; a mean over the batch.

    That of weighted classes is by the weights of the whole batch, not of a rank's share of it.
    """
    weight = None
    if plan.class_weights == "balanced":
        counts = np.bincount(learn.y, minlength=classes)
        weight = torch.from_numpy(len(learn) / (np.count_nonzero(counts) * np.maximum(counts, 1))).float().to(device)
    mean: Criterion = partial(F.cross_entropy, weight=weight, label_smoothing=plan.smoothing)
    if weight is None or ranks.size == 1:
        return mean

    def shared(logits: Tensor, y: Tensor) -> Tensor:
        own = torch.stack([weight[y].sum(), weight.new_tensor(len(y))])
        weights, n = ranks.total(own)
        scale: Tensor = own[0] / weights * n / own[1]
        return mean(logits, y) * scale

    return shared


def penalty(module: nn.Module, plan: Plan) -> Tensor:
    """The sum of the learning weights' sizes, times the plan's l1."""
    return plan.l1 * torch.stack([p.abs().sum() for p in module.parameters() if p.requires_grad]).sum()
