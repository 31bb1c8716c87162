"""The accuracies of an epoch on the validation split."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from robust.attacks.engine import answers, assail
from robust.attacks.rng import Rng
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
    """The figures of an epoch. Accuracies are shares of the validation split, in [0, 1].

    Robust accuracies are None if the recipe selects by clean accuracy.
    """

    number: int  # from 1
    loss: float
    lr: float  # the learning rate of the last step
    clean: float
    robust: float | None  # under SELECTION_ATTACK
    one_step: float | None  # under ONE_STEP
    by_class: tuple[float | None, ...]  # the accuracy that selects, by class; None for a class without samples
    gradients: dict[str, float]  # the mean length of the gradient by layer

    @property
    def worst_class(self) -> float:
        """Return the lowest accuracy of a class."""
        return min(share for share in self.by_class if share is not None)

    def score(self, selects: Selection) -> float:
        """Return the accuracy that selects the best epoch."""
        return self.clean if selects == "clean" or self.robust is None else self.robust

    def card_fields(self) -> dict[str, Any]:
        """Return the fields for the card: all except the gradients, which have their own file."""
        return {key: value for key, value in asdict(self).items() if key != "gradients"}


@dataclass(frozen=True, slots=True)
class Validation:
    """Accuracies on the validation split, in [0, 1]; robust ones are None if the recipe selects by clean accuracy."""

    clean: float
    robust: float | None
    one_step: float | None
    by_class: tuple[float | None, ...]


def validate(
    module: nn.Module, selects: Selection, validation: Samples, threat: LpThreat, seed: int, ranks: Ranks = ALONE
) -> Validation:
    """Measure the accuracies on the validation split; it is not attacked if the recipe selects by clean accuracy."""

    def measure(x: Tensor, y: Tensor, index: Tensor) -> tuple[Tensor, ...]:
        """Return (correct, robust to one step, robust to the selection attack) of a batch, each (n,) bool."""
        correct, _ = answers(module, x, y)
        if selects == "clean":
            return correct, correct, correct
        outcomes = []
        for attack in (ONE_STEP, SELECTION_ATTACK):
            robust = correct.clone()
            run = assail(module, attack, x[correct], y[correct], threat, seed=Rng.of(seed, index[correct]))
            robust[correct] = ~run.adversarial
            outcomes.append(robust)
        return correct, *outcomes

    batcher = Batcher(VALIDATION_BATCH, next(module.parameters()).device)
    clean, one_step, robust = map(ranks.whole, batcher.columns(measure, ranks.deal(validation), bool, bool, bool))
    n, counts = len(validation), np.bincount(validation.y)
    by_class = np.bincount(validation.y, weights=robust)
    shares = tuple(float(k / count) if count else None for k, count in zip(by_class, counts, strict=True))
    if selects == "clean":
        return Validation(int(clean.sum()) / n, None, None, shares)
    return Validation(int(clean.sum()) / n, int(robust.sum()) / n, int(one_step.sum()) / n, shares)
