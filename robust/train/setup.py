"""The specification of a training, its setup, and the options of its run, which do not change the weights."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from robust.attacks.threats.threat import Part
from robust.data.dataset import Dataset, Samples
from robust.distributed.ranks import ALONE, Ranks
from robust.models.load import Build
from robust.train.factory import Method
from robust.train.recipe import LossFunction
from robust.train.validate import Epoch


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """The specification of a training: the model, the recipe, the data and the threat model."""

    build: Build
    recipe: str
    dataset: Dataset
    threat: Part
    seed: int
    name: str  # of the model, for the names of the files
    source: Path | None = None  # the file that the module comes from: another content is another module


@dataclass(frozen=True, slots=True)
class TrainingSetup:
    """All that a step needs beside the module: the method, the samples, the threat model and the loss."""

    method: Method
    threat: Part
    learn: Samples
    validation: Samples
    seed: int
    criterion: LossFunction
    ranks: Ranks = ALONE  # each learns from its share of a batch


def _ignore(value: object) -> None:
    del value


@dataclass(frozen=True, slots=True)
class FitOptions:
    """Options of a run: callbacks, the file of the saved state, and processes. The weights do not depend on them."""

    on_epoch: Callable[[Epoch], None] = _ignore
    on_batch: Callable[[float], None] = _ignore  # takes the number of epochs done: 1.5 in the middle of the second
    on_resume: Callable[[int], None] = _ignore  # takes the epoch at which an earlier training goes on
    on_kept: Callable[[Epoch], None] = _ignore  # takes each epoch that an earlier training has done, before that
    on_start: Callable[[str], None] = _ignore  # takes a line on the weights that the training starts from
    saved: Path | None = None  # the file that holds the state of an unfinished training
    ranks: Ranks = ALONE


DEFAULT_OPTIONS = FitOptions()
