"""One look at trained weights: the validation samples, clean and attacked once, and what each layer does with them."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.criteria.criterion import Criterion
from robust.attacks.criteria.registry import read_criterion
from robust.attacks.engine import assail, eval_mode
from robust.attacks.rng import Rng
from robust.attacks.threats.threat import Part
from robust.data.dataset import Samples
from robust.device import device_of
from robust.evaluation.batching import Batcher
from robust.flags import Flags
from robust.train.report.layers import Layer, join_layers, watch
from robust.train.validate import SELECTION_ATTACK, VALIDATION_BATCH

Layers = dict[str, Layer]


@dataclass(frozen=True, slots=True)
class Inspection:
    """The answers of the weights to the n validation samples, clean and after the attack that selects epochs.

    After the attack an answer is that to the adversarial input where one was found, and elsewhere the clean one.
    """

    correct: Flags  # (n,)
    robust: Flags  # (n,): of those, where no adversarial input was found
    labels: NDArray[np.int64] | None  # (n,); None if the labels are no classes, and so are the answers
    answers: tuple[NDArray[np.int64], NDArray[np.int64]] | None  # clean and attacked, (n,): classes
    scores: tuple[NDArray[np.float64], NDArray[np.float64]]  # clean and attacked, (n,): the criterion's
    layers: list[Layer]  # of all samples
    attacked: list[Layer]  # of the adversarial inputs that were found; empty if none was

    @property
    def found(self) -> int:
        """The number of adversarial inputs that were found."""
        return int((self.correct & ~self.robust).sum())


class _Batch(NamedTuple):
    """The figures of one batch of n samples; pairs are clean and attacked."""

    correct: Tensor
    robust: Tensor
    answers: tuple[Tensor, ...]  # classes; empty if the labels are none
    scores: tuple[Tensor, ...]
    layers: tuple[Layers, Layers]


def inspect(module: nn.Module, validation: Samples, threat: Part, seed: int) -> Inspection:
    """Look at a module once; it stays as it is, and so does the global random state."""
    criterion = read_criterion(validation.criterion)

    def look(x: Tensor, y: Tensor, index: Tensor) -> _Batch:
        clean, layers = _watch(module, x, seed)
        correct = criterion.finite(clean) & criterion.accepts(clean, y)
        rng = Rng.of(seed, index[correct])  # as each epoch was attacked
        run = assail(module, SELECTION_ATTACK, x[correct], y[correct], threat, seed=rng, criterion=criterion)
        robust, attacked, found = correct.clone(), clean.clone(), dict[str, Layer]()
        robust[correct] = ~run.adversarial
        if bool(run.adversarial.any()):
            attacked[correct & ~robust], found = _watch(module, run.x_adv[run.adversarial], seed)
        scores = criterion.score(clean, y).cpu(), criterion.score(attacked, y).cpu()
        return _Batch(correct.cpu(), robust.cpu(), _answers(criterion, clean, attacked), scores, (layers, found))

    batches = Batcher(VALIDATION_BATCH, device_of(module)).each(look, validation)
    classes = criterion.labels == "class"
    return Inspection(
        torch.cat([batch.correct for batch in batches]).numpy(),
        torch.cat([batch.robust for batch in batches]).numpy(),
        validation.y if classes else None,
        _join([batch.answers for batch in batches]) if classes else None,
        _join([batch.scores for batch in batches]),
        join_layers(batch.layers[0] for batch in batches),
        join_layers(batch.layers[1] for batch in batches),
    )


def _watch(module: nn.Module, x: Tensor, seed: int) -> tuple[Tensor, Layers]:
    with eval_mode(module, seed), torch.no_grad():
        return watch(module, x)


def _answers(criterion: Criterion, *logits: Tensor) -> tuple[Tensor, ...]:
    """Return the classes that logits name, (n,) each; none if the labels are no classes."""
    return tuple(each.argmax(1).cpu() for each in logits) if criterion.labels == "class" else ()


def _join(pairs: list[tuple[Tensor, ...]]) -> tuple[NDArray[Any], NDArray[Any]]:
    clean, attacked = (torch.cat(parts).numpy() for parts in zip(*pairs, strict=True))
    return clean, attacked


def count_confusion(labels: NDArray[np.int64], answers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how often each class, (C, C) by row, was answered as each."""
    classes = 1 + int(max(labels.max(), answers.max()))
    return np.bincount(labels * classes + answers, minlength=classes**2).reshape(classes, classes)
