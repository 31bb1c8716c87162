"""Resources: all that a process loads once to measure, in parts: the data, the models, and their clean answers."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from robust.distributed.ranks import Ranks
from robust.session.answers import Answers
from robust.session.data import RunData
from robust.session.models import Models, Progress
from robust.settings.parsing import call_hook
from robust.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Resources:
    """The parts, each of which is loaded when it is first asked for. Functions take the parts that they use."""

    settings: Settings
    ranks: Ranks
    data: RunData
    models: Models
    answers: Answers


def make_resources(config: pytest.Config, settings: Settings, progress: Progress, ranks: Ranks) -> Resources:
    """Make the resources of a run in this process. Nothing is loaded yet."""
    data = RunData(settings)
    models = Models(settings, data, LoadHook(config), progress, ranks)
    return Resources(settings, ranks, data, models, Answers(settings, data, models, ranks))


class LoadHook:
    """The hook pytest_robust_load_model."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @property
    def implemented(self) -> bool:
        """Whether anybody implements it, so that files may be loaded that are of no format."""
        return bool(self._config.hook.pytest_robust_load_model.get_hookimpls())

    def __call__(self, path: Path) -> object:
        """Return what an implementation loads, or None."""
        return call_hook(self._config, "pytest_robust_load_model", path=path)
