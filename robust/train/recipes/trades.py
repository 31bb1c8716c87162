"""trades: accuracy and robustness traded by a factor beta. Zhang et al. 2019 (1901.08573)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from robust.attacks.engine import Task
from robust.attacks.losses import Loss
from robust.attacks.zoo.pgd import PGD
from robust.train.craft import craft
from robust.train.recipe import RECIPES, Selection


@RECIPES.register("trades")
@dataclass(frozen=True, slots=True)
class Trades:
    """Cross-entropy on clean inputs, plus beta times the divergence of the answers nearby from the clean answer."""

    beta: float = 6.0
    steps: int = 10
    stride: float = 0.225  # length of a step, as a share of eps: .007 for .031
    # The divergence has no gradient at x itself; the paper starts .001 away, for an eps of .031.
    start: float = 0.03
    selects: ClassVar[Selection] = "robust"

    def loss(self, task: Task) -> Tensor:
        with torch.no_grad():
            clean = task.model(task.x)
        x = craft(PGD(self.steps, self.stride, self.start, _divergence_from(clean)), task)
        both = task.model(torch.cat([task.x, x]))
        logits, logits_adv = both.chunk(2)
        return F.cross_entropy(logits, task.y) + self.beta * _divergence_from(logits)(logits_adv, task.y).mean()


def _divergence_from(clean: Tensor) -> Loss:
    """KL(softmax(clean) || softmax(logits)), (N,)."""
    target = F.log_softmax(clean, dim=1)

    def divergence(logits: Tensor, y: Tensor) -> Tensor:
        del y
        return F.kl_div(F.log_softmax(logits, dim=1), target, reduction="none", log_target=True).sum(1)

    return divergence
