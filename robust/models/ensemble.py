"""Ensembles: several models that answer as one."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from robust.attacks.criteria.criterion import LabelKind
from robust.attacks.drawn import mean_answer


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
        return mean_answer(torch.stack([member(x.clone()) for member in self.members]), self.labels)
