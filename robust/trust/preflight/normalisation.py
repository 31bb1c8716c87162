"""normalisation: the inputs are not normalised, normalised twice, or normalised otherwise than in training."""

from collections.abc import Iterator

import numpy as np

from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT, costs
from robust.trust.model_probe import Inputs, ModelProbe
from robust.trust.preflight._better import Transform, count_passes, find_improvement

STATISTICS = {  # the means and deviations of the channels in [0, 1] that most models are trained with
    "ImageNet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "CIFAR-10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
}

HINTS = {  # by the beginning of a scaling's description
    "de-normalised": "normalise once: the data, or the model, does so already",
    "divided by 255": "scale the inputs inside the model, as --robust-normalize=255 does",
    "": "scale the inputs inside the model, as --robust-normalize=MEAN/STD does",
}


@PREFLIGHT.register("normalisation")
@costs(lambda probe: count_passes(probe, dict(_transforms(probe.x[:1]))))
def normalisation(probe: ModelProbe) -> Finding | None:
    """Check that no other scaling of the inputs improves the accuracy (RobustBench #115, torchattacks #1).

    This is the most frequent mistake: in one reported case 80 % became 20 %.
    """
    improvement = find_improvement(probe, dict(_transforms(probe.x)))
    if improvement is None:
        return None
    hint = next(hint for prefix, hint in HINTS.items() if improvement.name.startswith(prefix))
    return Finding("normalisation", improvement.grade, improvement.gain, improvement.message, hint)


def _transforms(x: Inputs) -> Iterator[tuple[str, Transform]]:
    """Yield scalings of inputs (n, *shape), each with a description."""
    yield "times 255", _scale(255.0)
    yield "divided by 255", _scale(1 / 255)
    for name, mean, std in _statistics(x):
        yield f"normalised by {name}", _scale(np.reciprocal(std), -mean / std)
        yield f"de-normalised by {name}", _scale(std, mean)


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
