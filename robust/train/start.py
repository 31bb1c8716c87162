"""Remarks on given weights before a training starts from them."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.criteria.registry import read_criterion
from robust.attacks.engine import answers
from robust.data.dataset import Samples
from robust.evaluation.batching import Batcher
from robust.flags import Flags
from robust.models.normalize import format_normalize
from robust.stats import mcnemar, wilson

MAX_SAMPLES, BATCH = 1000, 250
MIN_GAIN, MAX_P_VALUE = 0.05, 0.01


class _Scale(NamedTuple):
    """The mean and the deviation of inputs, by channel of images."""

    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    def __str__(self) -> str:
        return format_normalize(self.mean.ravel().tolist(), self.std.ravel().tolist())


def describe_start(module: nn.Module, validation: Samples) -> str:
    """Return a line on how many samples the weights answer right, and what may be missing if those are few."""
    few = validation.take(np.arange(min(len(validation), MAX_SAMPLES)))
    scale = _measure_scale(few.x[:])
    now, normalised = _answer(module, few), _answer(module, few, scale)
    line = f"starts from weights that answer {now.mean():.1%} of {len(few)} validation samples right"
    if normalised.mean() - now.mean() > MIN_GAIN and mcnemar(normalised, now) < MAX_P_VALUE:
        say = f"if they were trained so, say --robust-normalize={scale}"
        return f"{line}, and {normalised.mean():.1%} with the inputs normalised by {scale}; {say}"
    if few.y.ndim == 1 and wilson(int(now.sum()), len(few))[0] <= np.bincount(few.y).max() / len(few):
        return f"{line}, no more than guessing: do they lack their normalisation, or is the last layer a new one?"
    return line


def _measure_scale(x: NDArray[np.float32]) -> _Scale:
    axes = (0, *range(2, x.ndim)) if x.ndim > 3 else None
    std = x.std(axes, keepdims=True)
    return _Scale(x.mean(axes, keepdims=True), np.where(std > 0, std, 1).astype(np.float32))


def _answer(module: nn.Module, samples: Samples, scale: _Scale | None = None) -> Flags:
    """Mark the samples that are answered right, (n,), with their inputs normalised if a scale is given."""
    device = next(module.parameters()).device
    mean, std = (torch.from_numpy(part).to(device) for part in scale or (np.zeros(1, "f4"), np.ones(1, "f4")))

    criterion = read_criterion(samples.criterion)

    def answer(x: Tensor, y: Tensor, index: Tensor) -> tuple[Tensor]:
        return (answers(module, (x - mean) / std, y, criterion=criterion)[0],)

    (right,) = Batcher(BATCH, device).columns(answer, samples, bool)
    return right
