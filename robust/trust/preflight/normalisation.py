"""normalisation: the inputs are not normalised, normalised twice, or normalised otherwise than in training."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from robust.models.normalize import format_normalize
from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT, any_criterion, costs
from robust.trust.model_probe import Inputs, ModelProbe
from robust.trust.preflight._better import Transform, count_passes, find_improvement

MAX_CHANNELS = 4  # of images; more numbers are the features of vectors
STATISTICS = {  # the means and deviations of the channels in [0, 1] that most models are trained with
    "ImageNet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "CIFAR-10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
}

TWICE = "normalise once: the data, or the model, does so already"
PIXELS = "it was trained on values 255 times as large: say --robust-normalize=0/0.00392157, or scale them in the model"
DIVIDED = "scale the inputs inside the model, as --robust-normalize=255 does"
INSIDE = "scale the inputs inside the model, as --robust-normalize=MEAN/STD does, with the figures of its training"


class _Scaling(NamedTuple):
    """A scaling of inputs, and what to do if the model answers better after it."""

    transform: Transform
    hint: str


@PREFLIGHT.register("normalisation")
@any_criterion
@costs(lambda probe: count_passes(probe, len([*_scalings(probe.x[:1])])))
def normalisation(probe: ModelProbe) -> Finding | None:
    """Check that no other scaling of the inputs improves the accuracy (RobustBench #115, torchattacks #1).

    This is the most frequent mistake: in one reported case 80 % became 20 %.
    """
    probe.require_one_input()
    scalings = dict(_scalings(probe.x))
    improvement = find_improvement(probe, {name: scaling.transform for name, scaling in scalings.items()})
    if improvement is None:
        return None
    hint = scalings[improvement.name].hint
    return Finding("normalisation", improvement.grade, improvement.gain, improvement.message, hint)


def _scalings(x: Inputs) -> Iterator[tuple[str, _Scaling]]:
    """Yield scalings of inputs (n, *shape), each with a description; of equally good ones the likeliest cause first."""
    statistics = [*_statistics(x)]
    for name, mean, std in statistics:
        yield f"normalised by {name}", _Scaling(_scale(np.reciprocal(std), -mean / std), _hint(mean, std))
    yield "divided by 255", _Scaling(_scale(1 / 255), DIVIDED)
    yield "times 255", _Scaling(_scale(255.0), PIXELS)
    for name, mean, std in statistics:
        yield f"de-normalised by {name}", _Scaling(_scale(std, mean), TWICE)


def _hint(mean: Inputs, std: Inputs) -> str:
    """Return what to do with a model that was trained on inputs with this mean and deviation, by channel."""
    if mean.size > MAX_CHANNELS:
        return INSIDE
    say = f"--robust-normalize={format_normalize(mean.ravel().tolist(), std.ravel().tolist())}"
    return f"say {say}, or better the mean and the deviation that the training used"


def _scale(scale: Inputs | float, shift: Inputs | float = 0.0) -> Transform:
    return lambda x: (x * scale + shift).astype(np.float32)


def _statistics(x: Inputs) -> Iterator[tuple[str, Inputs, Inputs]]:
    """Yield (description, means, deviations), which broadcast to x: by channel of images, by feature of vectors."""
    if x.ndim == 4 and x.shape[1] == 3:
        for name, (means, stds) in STATISTICS.items():
            yield f"{name}'s mean and deviation", _column(means), _column(stds)
    half = np.full(1, 0.5, np.float32)
    yield "0.5 and 0.5", half, half
    axes = (0, *range(2, x.ndim)) if x.ndim != 3 else None
    mean, std = x.mean(axes, keepdims=True)[0], x.std(axes, keepdims=True)[0]
    yield "their own mean and deviation", mean, np.where(std > 0, std, 1).astype(np.float32)


def _column(values: tuple[float, ...]) -> Inputs:
    """Return the values of the channels as an array (channels, 1, 1)."""
    return np.array(values, np.float32).reshape(-1, 1, 1)
