"""The accuracies of an epoch on the validation split."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from robust.attacks.criteria.registry import read_criterion
from robust.attacks.engine import answers, assail
from robust.attacks.rng import Rng
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.threat import Part
from robust.attacks.zoo.fgsm import FGSM
from robust.attacks.zoo.pgd import PGD
from robust.certification.ball import Ball
from robust.certification.crown import bound_by_intervals
from robust.certification.read import read_graph
from robust.data.dataset import Samples
from robust.distributed.ranks import ALONE, Ranks
from robust.evaluation.batching import Batcher
from robust.flags import Flags
from robust.train.recipe import Selection

SELECTION_ATTACK = PGD(steps=10)
ONE_STEP = FGSM()
VALIDATION_BATCH = 250


@dataclass(frozen=True, slots=True)
class Epoch:
    """The figures of an epoch. Accuracies are shares of the validation split, in [0, 1].

    Of the robust accuracies and the certified one, those are None that the recipe does not select by.
    """

    number: int  # from 1
    loss: float
    lr: float  # the learning rate of the last step
    clean: float
    robust: float | None  # under SELECTION_ATTACK
    one_step: float | None  # under ONE_STEP
    by_class: tuple[float | None, ...]  # the accuracy that selects, by class; None for a class without samples
    gradients: dict[str, float]  # the mean length of the gradient by layer
    certified: float | None = None  # by intervals

    @property
    def worst_class(self) -> float | None:
        """Return the lowest accuracy of a class; None if the labels are no classes."""
        return min((share for share in self.by_class if share is not None), default=None)

    def score(self, selects: Selection) -> float:
        """Return the accuracy that selects the best epoch."""
        found = {"clean": self.clean, "robust": self.robust, "certified": self.certified}[selects]
        return self.clean if found is None else found

    def card_fields(self) -> dict[str, Any]:
        """Return the fields for the card: all except the gradients, which have their own file."""
        none = {"gradients"} | ({"certified"} if self.certified is None else set())
        return {key: value for key, value in asdict(self).items() if key not in none}


@dataclass(frozen=True, slots=True)
class Validation:
    """Accuracies on the validation split, in [0, 1], as those of an epoch."""

    clean: float
    robust: float | None
    one_step: float | None
    by_class: tuple[float | None, ...]
    certified: float | None = None


def validate(
    module: nn.Module, selects: Selection, validation: Samples, threat: Part, seed: int, ranks: Ranks = ALONE
) -> Validation:
    """Measure the accuracies on the validation split: the clean one, and those that the recipe selects by."""
    n, criterion = len(validation), read_criterion(validation.criterion)
    judge = _choose_judge(module, selects, validation, threat, seed)

    def measure(x: Tensor, y: Tensor, index: Tensor) -> tuple[Tensor, ...]:
        correct, _ = answers(module, x, y, criterion=criterion)
        return correct, *judge(x, y, index, correct)

    batcher = Batcher(VALIDATION_BATCH, next(module.parameters()).device)
    clean, one_step, best = map(ranks.whole, batcher.columns(measure, ranks.deal(validation), bool, bool, bool))
    by_class = _share_by_class(validation, best) if validation.y.ndim == 1 else ()
    share = int(best.sum()) / n
    return Validation(
        int(clean.sum()) / n,
        share if selects == "robust" else None,
        int(one_step.sum()) / n if selects == "robust" else None,
        by_class,
        share if selects == "certified" else None,
    )


def _share_by_class(validation: Samples, best: Flags) -> tuple[float | None, ...]:
    of_class, counts = np.bincount(validation.y, weights=best), np.bincount(validation.y)
    return tuple(float(k / count) if count else None for k, count in zip(of_class, counts, strict=True))


# (x, y, index, which are correct) -> (robust to one step, what selects), each (n,) bool
Judge = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def _choose_judge(module: nn.Module, selects: Selection, validation: Samples, threat: Part, seed: int) -> Judge:
    """Return what tells for which samples a module does what the recipe selects by."""
    criterion = read_criterion(validation.criterion)

    def attack(x: Tensor, y: Tensor, index: Tensor, correct: Tensor) -> tuple[Tensor, Tensor]:
        outcomes = []
        for each in (ONE_STEP, SELECTION_ATTACK):
            robust = correct.clone()
            rng = Rng.of(seed, index[correct])
            run = assail(module, each, x[correct], y[correct], threat, seed=rng, criterion=criterion)
            robust[correct] = ~run.adversarial
            outcomes.append(robust)
        return outcomes[0], outcomes[1]

    if selects == "clean":
        return lambda x, y, index, correct: (correct, correct)
    if selects == "robust":
        return attack
    device = next(module.parameters()).device
    graph = read_graph(module, torch.from_numpy(validation.x[:1]).to(device), live=True)

    def certify(x: Tensor, y: Tensor, index: Tensor, correct: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            margins = bound_by_intervals(graph, Ball.around(x, cast(LpThreat, threat))).margins(y)
        return correct, correct & (margins.amin(1) > 0)

    return certify
