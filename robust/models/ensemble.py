"""Several models that answer as one."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """The logarithm of the members' mean probabilities (Lakshminarayanan et al. 2017, 1612.01474).

    Not the mean of their logits, in which one that is unsure of nothing outvotes all others.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, classes): log-probabilities, whose softmax is the mean."""
        each = torch.stack([member(x.clone()).log_softmax(1) for member in self.members])
        return each.logsumexp(0) - math.log(len(each))
