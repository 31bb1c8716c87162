"""Run: the state of one pytest run with a model. The hooks in hooks.py work on it."""

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from robust.attacks.text import printable
from robust.distributed import RANKS
from robust.options import Option, value
from robust.options import words as typed
from robust.session import CHOSEN
from robust.settings.read import read
from robust.settings.settings import Settings

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from robust.evaluation.suite_run import Watch
    from robust.progress import TrainingBar
    from robust.session.gate_checks import GateChecks
    from robust.session.measurement import Measurements
    from robust.session.regression_tests import RegressionTest
    from robust.session.resources import Resources
    from robust.session.results import Results
    from robust.session.trust_tests import TrustTest

RUN: "pytest.StashKey[Run]" = pytest.StashKey()  # on the config of such a run


class Run:
    """Torch comes in with the first use of the resources, the measurements or the results, never while collecting.

    Not itself a plugin: pytest looks at every attribute of a plugin, and older ones would so make what is lazy here.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.settings: Settings = read(config)
        self.is_worker = hasattr(config, "workerinput")

    @property
    def measures(self) -> bool:
        """Whether this process is the one that reports and files, and not only collects."""
        return self.checks and (RANKS not in self.config.stash or self.config.stash[RANKS].first)

    @property
    def checks(self) -> bool:
        """Whether it tries everything before the first test."""
        return not self.is_worker and not self.config.option.collectonly

    @cached_property
    def resources(self) -> "Resources":
        from robust.distributed.ranks import ALONE, share_cores
        from robust.session.resources import Resources

        if self.is_worker:
            share_cores(int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
        return Resources(self.config, self.settings, self._progress, self.config.stash.get(RANKS, ALONE))

    @cached_property
    def measurements(self) -> "Measurements":
        from robust.session.measurement import Measurements

        repeat = self._command(lambda option: self.config.getoption(option.dest))
        return Measurements(
            self.resources, repeat, self._command(lambda option: value(self.config, option.name)), self._watched
        )

    @cached_property
    def trust_test(self) -> "TrustTest":
        from robust.session.trust_tests import TrustTest

        return TrustTest(self.measurements)

    @cached_property
    def regression_test(self) -> "RegressionTest":
        from robust.session.regression_tests import RegressionTest

        given: Any = getattr(self.config, "workerinput", None)
        return RegressionTest(self.measurements, given and given[CHOSEN])

    @cached_property
    def results(self) -> "Results":
        from robust.session.results import Results

        return Results()

    @cached_property
    def gate_checks(self) -> "GateChecks":
        from robust.session.gate_checks import GateChecks

        return GateChecks(self.results, self.settings.gates)

    def _command(self, given: Callable[[Option], Any]) -> str:
        """This run's options, as they are typed, without node ids; fit for a terminal."""
        words = ["pytest"]
        config = self.config.option
        words += [f"--rootdir={config.rootdir}"] if config.rootdir else []
        words += ["-c", config.inifilename] if config.inifilename else []
        words += typed(given)
        return printable(shlex.join(words))

    @contextmanager
    def _progress(self, title: str) -> "Iterator[TrainingBar]":
        from robust.progress import training_bar

        with self._uncaptured(), training_bar(title) as bar:
            yield bar

    @contextmanager
    def _watched(self, title: str, n: int) -> "Iterator[Watch]":
        from robust.progress import suite_bar

        with self._uncaptured(), suite_bar(title, n) as watch:
            yield watch

    def _uncaptured(self) -> "AbstractContextManager[None]":
        """Where what is written reaches the terminal."""
        capture = self.config.pluginmanager.getplugin("capturemanager")
        return capture.global_and_fixture_disabled() if capture else nullcontext()
