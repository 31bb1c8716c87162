"""RunData: the data set and the samples of a run, read when they are first asked for, and then kept."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from robust.attacks.criteria.registry import DEFAULT, read_criterion
from robust.attacks.threats.threat import Threat, corrupt_before, read_threat
from robust.data.bounds import OutsideError
from robust.data.dataset import Dataset, Samples
from robust.data.groups import GroupReader
from robust.data.maps import CRITERION
from robust.evaluation.universal import draw_others
from robust.flags import Flags
from robust.gates import WORST_CLASS
from robust.models.load import Subject
from robust.models.normalize import NONE
from robust.records.groups import Group, Groups, count_groups, join_groups, keep_seen
from robust.settings.settings import Settings

UNDECIDED = "within:1"  # stands for the criterion of values until the user says how far an answer may be off
SAMPLES = 1000  # as many as most published evaluations use
PROBED_SAMPLES = 16  # on which a model is tried as it is loaded


class RunData:
    """The data of one run, in one process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._classes: int | None = None  # that the models answer with
        self._others: dict[tuple[int, int], tuple[Samples, Samples]] = {}  # (measured, drawn beside them)
        self.undecided = False  # whether the labels are values, and the user does not say what is a right answer

    @cached_property
    def _loaded(self) -> tuple[Dataset, Samples]:
        settings = self._settings
        dataset = self._choose_criterion(settings.dataset.complete(download=settings.download))
        most, wanted = len(dataset.read("test")[1]), settings.samples
        n = most if wanted == "all" else wanted or min(SAMPLES, most)
        try:
            samples = dataset.load("test", n, settings.draw)
        except OutsideError as error:
            if settings.normalize in (None, NONE):
                raise
            raise error.for_normalising_model() from error
        if fault := dataset.criterion != DEFAULT and read_criterion(dataset.criterion).refuse_labels(samples.y):
            raise ValueError(fault)
        return dataset if dataset.classes is not None else dataset.widen(samples.y), samples

    def _choose_criterion(self, dataset: Dataset) -> Dataset:
        """Return the data set with the criterion that its labels show, if the user names none."""
        if self._settings.criterion is not None or dataset.labels == "class":
            return dataset
        if dataset.labels == "bits":
            dataset.remarks.note("labels of 0 and 1 are judged by --robust-criterion=labels: all of them must be right")
            return dataset.judged_by("labels")
        if dataset.labels == "map":
            raise ValueError(f"the labels are maps of classes; {CRITERION}")
        self.undecided = True
        return dataset.judged_by(UNDECIDED)

    @property
    def criterion(self) -> str:
        """Return the criterion in its canonical spelling."""
        return self.dataset.criterion

    @property
    def dataset(self) -> Dataset:
        """The data set of this run, downloaded if that is needed and allowed."""
        dataset = self._loaded[0]
        return dataset if self._classes is None else replace(dataset, classes=self._classes, open=False)

    @property
    def samples(self) -> Samples:
        """The test samples of this run, drawn by its seed."""
        return self._loaded[1]

    @property
    def probe(self) -> Tensor:
        """A few inputs from all of the samples, on which models are tried as they are loaded."""
        n = len(self.samples)
        return torch.from_numpy(self.samples.x[np.unique(np.linspace(0, n - 1, min(n, PROBED_SAMPLES)).astype(int))])

    @cached_property
    def group_reader(self) -> GroupReader | None:
        """Return the reader of the groups of samples; None if none were named."""
        settings = self._settings
        return None if settings.groups is None else GroupReader(settings.groups, self.dataset, settings.threats)

    def read_groups(self, samples: Samples) -> Groups | None:
        """Return the groups of samples; None if none were named. ValueError, in one line, if they have none."""
        return None if self.group_reader is None else self.group_reader.read(samples)

    def count(self, measure: str, samples: Samples, correct: Flags, robust: Flags) -> tuple[Group, ...]:
        """Count the samples of each class ("worst-class") or group ("group"); none where there are no such.

        One that is named may have no samples, but for classes that are not attacked.
        """
        if measure == WORST_CLASS:
            known = count_groups(self.dataset.names, samples.y, correct, robust) if samples.y.ndim == 1 else ()
            return keep_seen(known) if self.dataset.attacked else known
        groups = self.read_groups(samples)
        return () if groups is None else count_groups(groups.names, groups.codes, correct, robust)

    def fit(self, subject: Subject) -> None:
        """Take the number of classes from a model that was loaded, where only labels say it.

        ValueError, in one line, if the labels are no classes of this model.
        """
        for fault in self.dataset.remarks.find_faults(subject.columns, bool(self._settings.output)):
            raise ValueError(fault)
        if self.dataset.open and subject.classes > self.classes:
            self.dataset.remarks.note(
                f"{subject.classes} classes, as {subject.name} answers; the labels need {self.classes}"
            )
            self._classes = subject.classes

    def count_classes(self) -> int:
        """The number of classes that all labels need, for architectures that are made for the data."""
        classes = self._settings.dataset.complete().count_classes().classes if self.dataset.open else self.classes
        assert classes is not None
        return classes

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        assert self.dataset.shape is not None
        return self.dataset.shape

    @property
    def map_size(self) -> tuple[int, ...]:
        """The (height, width) of labels that are maps; () of others."""
        return self.samples.map_size

    @property
    def classes(self) -> int:
        """The number of classes."""
        assert self.dataset.classes is not None
        return self.dataset.classes

    def draw_others(self, measured: Samples, n: int, seed: int) -> Samples:
        """Draw n samples of the training split as the function of this name does; the same once a process."""
        known, drawn = self._others.get((n, seed), (None, None))
        if known is not measured or drawn is None:
            drawn = draw_others(self.dataset, measured, n, seed)
            self._others[n, seed] = measured, drawn
        return drawn

    @property
    def spelling(self) -> tuple[str, str]:
        """Return the data as another process opens it, with what options add, and the folder of relative paths."""
        text, (_, *added) = self._settings.data, self.dataset.name.split(":")
        more = [f":{option}" for option in added if f":{option}" not in text]
        return "".join((text, *more)), str(self._settings.data_below)

    def read_threat(self, text: str) -> Threat:
        """Read a threat model for inputs within the bounds of this data.

        Corruptions are done before a Dataset's own resize, where one is seen.
        """
        threat = read_threat(text, self.dataset.lo, self.dataset.hi, self.dataset.layout)
        resized = self.samples.find_resized(text)
        return threat if resized is None else corrupt_before(threat, resized)


def count_together(parts: Sequence[RunData], measure: str) -> tuple[Group, ...]:
    """Count the samples of each class or group as `RunData.count` does, of all folds together, before any is judged."""
    counts = []
    for data in parts:
        nothing = np.zeros(len(data.samples), bool)
        counts.append(data.count(measure, data.samples, nothing, nothing))
    return join_groups(counts)
