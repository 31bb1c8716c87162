"""Measure the curve of tensors: the driver for Python, as `robust.attacks.assail` is that of attacks."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from robust.attacks.arguments import check_norm, check_samples, is_map
from robust.attacks.criteria.classification import CLASS
from robust.attacks.criteria.criterion import Criterion
from robust.attacks.drawn import Drawn
from robust.attacks.engine import check_bounds, eval_mode
from robust.attacks.factory import no_models
from robust.attacks.geometry import Norm
from robust.attacks.suite import read_suite
from robust.attacks.threats.lp import LpThreat
from robust.data.dataset import Samples
from robust.device import device_of
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.curve import CurveResult, CurveRun
from robust.evaluation.ladder import ladder
from robust.evaluation.measure import BATCH, measure_clean

SUITE = "standard-1"  # whose attacks refine a curve where the run has no suite


def measure_curve(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    norm: Norm,
    *,
    end: float | Fraction | None = None,
    eps: Sequence[float | Fraction] = (),
    bounds: tuple[float, float] = (0.0, 1.0),
    seed: int = 0,
    criterion: Criterion = CLASS,
) -> CurveResult:
    """Find the nearest adversarial input of each sample, up to the distance `end`, by default as far as there are any.

    x is (N, *features) within the bounds, y (N,) int64, or what the criterion takes; maps have no curve. At each of
    `eps`, above 0 and up to `end`, the suite standard-1 ends the search, on the samples whose distance is a little
    larger or smaller: there the accuracy is at or below that of a run of the suite by the same seed, within a sample.
    `distance` of the result is (N,), `x_adv` are the inputs, and `arrays()` gives both by name. Raise TypeError or
    ValueError, in one line, for other arguments than these.
    """
    check_norm(norm)
    if not isinstance(model, nn.Module):
        raise TypeError(f"the model is of type {type(model).__name__}, expected a torch.nn.Module")
    if isinstance(model, Drawn):
        raise ValueError("a model that answers at random has no smallest distance; attack it at an eps, with assail")
    if is_map(criterion):
        raise ValueError(f"maps have no curve, and the criterion is {criterion}; attack them at one eps")
    check_samples(x, y, criterion)
    if not len(x):
        raise ValueError("there are no samples to measure")
    threat = LpThreat.widest(norm, x, *bounds)
    check_bounds(x, threat)
    threat = threat if end is None else LpThreat.parse(f"{norm}:{end}", *bounds)
    model = model if x.dtype == torch.float32 else Cast(model, x.dtype)
    samples = Samples(x.detach().cpu().numpy().astype(np.float32), y.cpu().numpy(), np.arange(len(y)), str(criterion))
    options = RunOptions(Batcher(BATCH, device_of(model)), seed)
    correct = measure_clean(model, samples, seed, options.batcher).correct
    suites, classes = [read_suite(SUITE, Path(), str(criterion))], _count_classes(model, x)
    rungs = ladder(norm, suites, classes, no_models, str(criterion), _read_eps(eps, threat), x[0].numel())
    return CurveRun(model, samples, threat, rungs, options).run(correct)


def _read_eps(eps: Sequence[float | Fraction], end: LpThreat) -> list[Fraction]:
    """Return the radii that are listed; ValueError if one is not above 0, or beyond the end."""
    radii = [LpThreat.parse(f"{end.norm}:{radius}", end.lo, end.hi).eps for radius in eps]
    if beyond := [radius for radius in radii if radius > end.eps]:
        raise ValueError(f"an eps of {float(max(beyond)):g} is beyond the curve's end, {end}")
    return radii


class Cast(nn.Module):
    """A model that takes inputs of another type than float32, in which distances are kept."""

    def __init__(self, inner: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.inner = inner
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of float32 inputs, in float32."""
        logits: Tensor = self.inner(x.to(self.dtype))
        return logits.float()


def _count_classes(model: nn.Module, x: Tensor) -> int:
    """Return how many numbers the model answers with."""
    with eval_mode(model), torch.no_grad():
        return int(model(x[:1].float().to(device_of(model))).reshape(1, -1).shape[1])
