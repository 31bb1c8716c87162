"""trades: accuracy and robustness traded by a factor beta. Zhang et al. 2019 (1901.08573)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from robust.attacks.engine import still
from robust.attacks.losses import Loss
from robust.attacks.task import Task
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

    def __post_init__(self) -> None:
        self._attack("ce")  # says what is wrong with the options

    def _attack(self, loss: Loss | str) -> PGD:
        return PGD(self.steps, self.stride, self.start, loss)

    def loss(self, task: Task) -> Tensor:
        with still(task.model):
            clean = task.logits(task.x)
        x = craft(self._attack(_divergence_from(clean)), task)
        logits = task.model(task.x)  # one after the other, so that batch norm sees each kind by itself
        divergence = _divergence_from(logits)(task.model(x), task.y)
        return F.cross_entropy(logits, task.y) + self.beta * divergence.mean()


def _divergence_from(clean: Tensor) -> Loss:
    """KL(softmax(clean) || softmax(logits)), (N,)."""
    target = F.log_softmax(clean, dim=1)

    def divergence(logits: Tensor, y: Tensor) -> Tensor:
        del y
        return F.kl_div(F.log_softmax(logits, dim=1), target, reduction="none", log_target=True).sum(1)

    return divergence
