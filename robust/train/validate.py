"""What an epoch came to, on the validation split."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from robust.attacks.engine import answers, assail
from robust.attacks.threats.lp import LpThreat
from robust.attacks.zoo.fgsm import FGSM
from robust.attacks.zoo.pgd import PGD
from robust.data.dataset import Samples
from robust.distributed.ranks import ALONE, Ranks
from robust.evaluation.batching import Batcher
from robust.train.recipe import Selection

SELECTION_ATTACK = PGD(steps=10)
ONE_STEP = FGSM()
VALIDATION_BATCH = 250


@dataclass(frozen=True, slots=True)
class Epoch:
    """Accuracies are shares of the validation split; None where the recipe does not select by robust accuracy."""

    number: int  # from 1
    loss: float
    lr: float  # of the last step
    clean: float
    robust: float | None  # under SELECTION_ATTACK
    one_step: float | None  # under ONE_STEP
    by_class: tuple[float | None, ...]  # of what is selected by; None for a class without samples
    gradients: dict[str, float]  # mean length, by layer

    @property
    def worst_class(self) -> float:
        """The accuracy of the class that has the lowest."""
        return min(share for share in self.by_class if share is not None)

    def score(self, selects: Selection) -> float:
        """What the best epoch has most of."""
        return self.clean if selects == "clean" or self.robust is None else self.robust

    def told(self) -> dict[str, Any]:
        """For the card: all but the gradients, which have a file of their own."""
        return {key: value for key, value in asdict(self).items() if key != "gradients"}


@dataclass(frozen=True, slots=True)
class Validation:
    """Of an epoch what was seen on the validation split."""

    clean: float
    robust: float | None
    one_step: float | None
    by_class: tuple[float | None, ...]


def validate(
    module: nn.Module, selects: Selection, validation: Samples, threat: LpThreat, seed: int, ranks: Ranks = ALONE
) -> Validation:
    """Attack the validation split, unless the recipe selects by clean accuracy."""

    def look(x: Tensor, y: Tensor, index: Tensor) -> tuple[Tensor, ...]:
        """(right, and not broken by one step, and not broken by the attack) of a batch, each (n,) bool."""
        right, _ = answers(module, x, y)
        if selects == "clean":
            return right, right, right
        stands = []
        for attack in (ONE_STEP, SELECTION_ATTACK):
            left = right.clone()
            adversarial = assail(module, attack, x[right], y[right], threat, seed=seed, index=index[right]).adversarial
            left[right] = ~adversarial
            stands.append(left)
        return right, *stands

    feed = Batcher(VALIDATION_BATCH, next(module.parameters()).device)
    clean, one_step, robust = map(ranks.whole, feed.columns(look, ranks.deal(validation), bool, bool, bool))
    n, counts = len(validation), np.bincount(validation.y)
    by_class = np.bincount(validation.y, weights=robust)
    shares = tuple(float(k / of) if of else None for k, of in zip(by_class, counts, strict=True))
    if selects == "clean":
        return Validation(int(clean.sum()) / n, None, None, shares)
    return Validation(int(clean.sum()) / n, int(robust.sum()) / n, int(one_step.sum()) / n, shares)
