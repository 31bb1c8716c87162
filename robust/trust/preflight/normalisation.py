"""Normalisation is missing, done twice, or another than in training: the model answers better after one."""

from collections.abc import Iterator

import numpy as np

from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT
from robust.trust.model_probe import Inputs, ModelProbe
from robust.trust.preflight._better import Alternative, better

STATISTICS = {  # the means and deviations of the channels in [0, 1] that most models are trained with
    "ImageNet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "CIFAR-10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
}


@PREFLIGHT.register("normalisation")
def normalisation(look: ModelProbe) -> Finding | None:
    """The most frequent of all mistakes: in one reported case 80 % became 20 % (RobustBench 115, torchattacks 1)."""
    found = better(look, dict(_ways(look.x)))
    if found is None:
        return None
    doubled = found.name.startswith("de-normalised")
    hint = "normalise once: the data, or the model, does so already" if doubled else "do so inside the model"
    return Finding("normalisation", found.grade, found.gain, found.told, hint)


def _ways(x: Inputs) -> Iterator[tuple[str, Alternative]]:
    """Inputs (n, *shape) as they would be after another scaling."""
    yield "times 255", _line(255.0)
    yield "divided by 255", _line(1 / 255)
    for name, mean, std in _statistics(x):
        yield f"normalised by {name}", _line(np.reciprocal(std), -mean / std)
        yield f"de-normalised by {name}", _line(std, mean)


def _line(scale: Inputs | float, shift: Inputs | float = 0.0) -> Alternative:
    return lambda x: (x * scale + shift).astype(np.float32)


def _statistics(x: Inputs) -> Iterator[tuple[str, Inputs, Inputs]]:
    """(whose, means, deviations), to be broadcast to x: of each channel of pictures, of each feature of vectors."""
    if x.ndim == 4 and x.shape[1] == 3:
        for name, (means, stds) in STATISTICS.items():
            yield f"{name}'s mean and deviation", _column(means), _column(stds)
    half = np.full(1, 0.5, np.float32)
    yield "0.5 and 0.5", half, half
    axes = (0, *range(2, x.ndim)) if x.ndim != 3 else None
    mean, std = x.mean(axes, keepdims=True)[0], x.std(axes, keepdims=True)[0]
    yield "their own mean and deviation", mean, np.where(std > 0, std, 1).astype(np.float32)


def _column(values: tuple[float, ...]) -> Inputs:
    """(channels, 1, 1)"""
    return np.array(values, np.float32).reshape(-1, 1, 1)
