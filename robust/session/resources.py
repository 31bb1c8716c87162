"""Resources: all that a process loads once to measure, in parts: the data, the models, and their clean answers."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from robust.distributed.ranks import Ranks
from robust.evaluation.time_limit import Budget
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
    budget: Budget


def make_resources(
    config: pytest.Config, settings: Settings, progress: Progress, ranks: Ranks, processes: int = 1
) -> Resources:
    """Make the resources of a run in this process, one of several that share the tests out. Nothing is loaded yet."""
    data = RunData(settings)
    models = Models(settings, data, partial(_load_by_hook, config), progress, ranks)
    budget = Budget(settings.seconds, processes)
    return Resources(settings, ranks, data, models, Answers(settings, data, models, ranks), budget)


def _load_by_hook(config: pytest.Config, path: Path) -> object:
    return call_hook(config, "pytest_robust_load_model", path=path)
