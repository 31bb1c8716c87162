"""The accuracy of a trained model under quick-1, on part of the validation split: stronger than what selects epochs."""

from pathlib import Path
from typing import Any

from torch import nn

from robust.attacks.suite import read_suite
from robust.attacks.threats.threat import Part
from robust.data.dataset import Samples
from robust.device import device_of
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import measure_clean
from robust.evaluation.suite_run import SuiteRun
from robust.train.factory import Method
from robust.train.validate import VALIDATION_BATCH

SUITE = "quick-1"
SHARE = 0.05  # of the passes of the training that the suite may take
LEAST = 32  # samples, also after a training of seconds
SUITE_PASSES = 240  # of the suite for a sample at most; a backward pass counts as two
VALIDATION_PASSES = 37  # of an epoch's validation for a sample: an answer, one step and ten steps
STEP_PASSES = 3  # of a sample for an answer and its gradient


def count_samples(method: Method, learn: int, validation: int, epochs: int) -> int:
    """Count the validation samples for which the suite is a small share of a training of so many epochs and samples."""
    passes = count_passes(method, learn, validation, epochs)
    return min(validation, max(LEAST, int(SHARE * passes / SUITE_PASSES)))


def count_passes(method: Method, learn: int, validation: int, epochs: int) -> int:
    """Count the passes of a training of so many epochs and samples, about; a backward pass counts as two."""
    steps, replays = getattr(method.recipe, "steps", 1), getattr(method.recipe, "replays", 1)
    return int(epochs * (learn * replays * STEP_PASSES * (1 + steps) + validation * VALIDATION_PASSES))


def measure_strength(module: nn.Module, samples: Samples, threat: Part, *, classes: int, seed: int) -> dict[str, Any]:
    """Return what the card says of the suite: its name, how many samples it was run on, the share that is robust."""
    batcher = Batcher(VALIDATION_BATCH, device_of(module))
    correct = measure_clean(module, samples, seed, batcher).correct
    suite = read_suite(SUITE, Path(), samples.criterion)
    found = SuiteRun(module, samples, suite, threat, classes, RunOptions(batcher, seed)).run(correct)
    return {"name": SUITE, "n": len(samples), "robust": int((correct & ~found.adversarial).sum()) / len(samples)}
