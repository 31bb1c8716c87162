"""Ensembles: several models that answer as one."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from robust.attacks.criteria.criterion import LabelKind


class Ensemble(nn.Module):
    """Logits whose softmax is the mean of the members' (Lakshminarayanan et al. 2017, 1612.01474).

    A mean of the logits would let one overconfident member outvote all others. For several labels it is so of each
    label's probability; values are averaged as they are.
    """

    def __init__(self, members: Sequence[nn.Module], labels: LabelKind = "class") -> None:
        super().__init__()
        self.labels = labels
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor) -> Tensor:
        """Return values, or logits (n, classes): the logarithm of the mean, at the level of the members' logits.

        So an ensemble of one member returns that member's logits.
        """
        logits = torch.stack([member(x.clone()) for member in self.members])
        if self.labels == "values":
            return logits.mean(0)
        if self.labels == "bits":
            return logsigmoid(logits).logsumexp(0) - logsigmoid(-logits).logsumexp(0)
        level = logits.logsumexp(2, keepdim=True)
        return (logits - level).logsumexp(0) + level.mean(0) - math.log(len(logits))
