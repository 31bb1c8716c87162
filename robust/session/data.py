"""RunData: the data set and the samples of a run, read when they are first asked for, and then kept."""

from functools import cached_property

from robust.attacks.threats.threat import Threat, read_threat
from robust.data.dataset import Dataset, Samples
from robust.settings.settings import Settings

SAMPLES = 1000  # as many as most published evaluations use


class RunData:
    """The data of one run, in one process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def dataset(self) -> Dataset:
        """The data set of this run, downloaded if that is needed and allowed."""
        dataset = self._settings.dataset.complete(download=self._settings.download)
        dataset.read("test")
        return dataset

    @cached_property
    def samples(self) -> Samples:
        """The test samples of this run, drawn by its seed."""
        most, wanted = len(self.dataset.read("test")[1]), self._settings.samples
        n = most if wanted == "all" else wanted or min(SAMPLES, most)
        return self.dataset.load("test", n, self._settings.seed)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        assert self.dataset.shape is not None
        return self.dataset.shape

    @property
    def classes(self) -> int:
        """The number of classes."""
        assert self.dataset.classes is not None
        return self.dataset.classes

    def read_threat(self, text: str) -> Threat:
        """Read a threat model for inputs within the bounds of this data."""
        return read_threat(text, self._settings.dataset.lo, self._settings.dataset.hi)
