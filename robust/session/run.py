"""Run: the state of one pytest run with a model, which the hooks in hooks.py work on."""

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import pytest

from robust.attacks.text import printable
from robust.distributed import RANKS
from robust.options import Option, spell_options
from robust.session import SELECTED_BASELINE
from robust.settings.pytest_options import read_option
from robust.settings.read import read
from robust.settings.settings import Settings, Variant

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from robust.progress import Bar, TrainingBar
    from robust.session.accuracy_tests import AccuracyTest
    from robust.session.certification import Certification
    from robust.session.curve import CurveSearch
    from robust.session.curve_tests import CurveTest
    from robust.session.data import RunData
    from robust.session.fold_checks import FoldChecks
    from robust.session.gate_checks import GateChecks
    from robust.session.measurement import Measurements
    from robust.session.preflight import Preflight
    from robust.session.regression_tests import RegressionTest
    from robust.session.resources import Resources
    from robust.session.results import Results
    from robust.session.trust_tests import TrustTest

RUN: "pytest.StashKey[Run]" = pytest.StashKey()  # on the config of such a run


class Run:
    """The parts of a run, each made when it is first asked for: torch comes in with them, never while collecting.

    Not itself a plugin: pytest looks at every attribute of a plugin, and older ones would so make what is lazy here.
    """

    def __init__(self, config: pytest.Config, whole: "Run | None" = None, fold: int = 0) -> None:
        """Make a run of the options; or of one fold of the run `whole`, which has parts of its own but the time."""
        self.config = config
        self.settings: Settings = read(config) if whole is None else whole.settings.of_fold(fold)
        self.is_worker = hasattr(config, "workerinput")
        self._foretold = False
        self._whole = whole
        self._folds: dict[int, Run] = {}

    def of(self, variant: Variant) -> "Run":
        """Return the parts that measure a model: those of the fold that it is tested on, if there are folds."""
        return self.of_fold(variant.fold) if variant.fold else self

    def of_fold(self, number: int) -> "Run":
        """Return the parts of a fold."""
        if number not in self._folds:
            self._folds[number] = Run(self.config, self, number)
        return self._folds[number]

    def find_data(self, name: str) -> "RunData":
        """Return the data of that name: of one of the folds, or of all."""
        names = [dataset.name for dataset in self.settings.folds]
        return (self.of_fold(1 + names.index(name)) if name in names else self).resources.data

    @property
    def files(self) -> bool:
        """Whether this process is the one that reports and files, and not only collects or measures."""
        return self.checks and (RANKS not in self.config.stash or self.config.stash[RANKS].first)

    @property
    def checks(self) -> bool:
        """Whether this process tries everything before the first test."""
        return not self.is_worker and not self.config.option.collectonly

    @cached_property
    def resources(self) -> "Resources":
        from robust.distributed.ranks import ALONE, share_cores
        from robust.session.resources import make_resources

        processes = int(os.environ["PYTEST_XDIST_WORKER_COUNT"]) if self.is_worker else 1
        if self.is_worker:
            share_cores(processes)
        ranks = self.config.stash.get(RANKS, ALONE)
        made = make_resources(self.config, self.settings, self._progress, ranks, processes)
        return made if self._whole is None else replace(made, budget=self._whole.resources.budget)

    @cached_property
    def measurements(self) -> "Measurements":
        from robust.session.measurement import Measurements

        return Measurements(self.resources, self._show_bar)

    @cached_property
    def preflight(self) -> "Preflight":
        from robust.session.preflight import Preflight

        return Preflight(self.resources, self._show_bar)

    @cached_property
    def certification(self) -> "Certification":
        from robust.session.certification import Certification

        return Certification(self.resources, self._show_bar)

    @cached_property
    def accuracy_test(self) -> "AccuracyTest":
        from robust.session.accuracy_tests import AccuracyTest, Commands

        row = self._command(lambda option: read_option(self.config, option.name))
        commands = Commands(self._repeat, row)
        return AccuracyTest(self.resources, self.measurements, self.preflight, self.certification, commands)

    @cached_property
    def curve_search(self) -> "CurveSearch":
        from robust.session.curve import CurveSearch

        return CurveSearch(self.resources, self.measurements, self._show_bar)

    @cached_property
    def curve_test(self) -> "CurveTest":
        from robust.session.curve_tests import CurveTest

        return CurveTest(
            self.resources,
            self.measurements,
            self.preflight,
            self.curve_search,
            self.certification,
            self.accuracy_test,
        )

    @cached_property
    def trust_test(self) -> "TrustTest":
        from robust.session.trust_tests import TrustTest

        return TrustTest(self.resources, self.measurements, self.preflight)

    @cached_property
    def regression_test(self) -> "RegressionTest":
        from robust.session.regression_tests import RegressionTest

        given: Any = getattr(self.config, "workerinput", None)
        selected = given and given[SELECTED_BASELINE]
        return RegressionTest(
            self.resources,
            self.measurements,
            self.preflight,
            self.certification,
            self.curve_test,
            self._repeat,
            selected,
        )

    @cached_property
    def results(self) -> "Results":
        from robust.session.results import Results

        if not self.settings.folds:
            return Results()
        from robust.session.lineage import make_lineage

        return Results(find_lineage=make_lineage(self.settings, lambda: [data.samples for data in self._parts]))

    @cached_property
    def gate_checks(self) -> "GateChecks":
        from robust.session.advice import advise
        from robust.session.gate_checks import GateChecks

        settings = self.settings
        return GateChecks(self.results, settings.gates, lambda row: advise(settings, row.model, row.stem))

    @cached_property
    def fold_checks(self) -> "FoldChecks":
        from robust.session.fold_checks import FoldChecks

        return FoldChecks(self.results, self.settings.gates, self.settings.threats)

    def foretell(self) -> None:
        """Tell once, before anything is measured, which figures could not settle whether a floor holds."""
        if self._foretold or not self.files:
            return
        from robust.session.asking import foretell_asking
        from robust.session.data import count_together

        self._foretold = True
        data = self._parts
        lines = self.gate_checks.foretell(sum(len(part.samples) for part in data), partial(count_together, data))
        lines += foretell_asking(self.settings, self.resources.models, data[0])
        reporter = self.config.pluginmanager.getplugin("terminalreporter")
        if reporter and self.config.get_verbosity() >= 0:
            for line in lines:
                reporter.write_line(f"robust: {printable(line)}")

    @property
    def _parts(self) -> "list[RunData]":
        """The data of each fold, or of the run."""
        numbers = range(1, 1 + len(self.settings.folds))
        return [run.resources.data for run in map(self.of_fold, numbers)] or [self.resources.data]

    @property
    def _repeat(self) -> str:
        """The command of this run as it was typed."""
        return self._command(lambda option: self.config.getoption(option.dest))

    def _command(self, given: Callable[[Option], Any]) -> str:
        """Return the command of this run with these options and without node ids, as it is typed on a terminal."""
        arguments = ["pytest"]
        config = self.config.option
        arguments += [f"--rootdir={config.rootdir}"] if config.rootdir else []
        arguments += ["-c", config.inifilename] if config.inifilename else []
        arguments += spell_options(given)
        return printable(shlex.join(arguments))

    @property
    def _shown(self) -> bool:
        """Whether this process shows how far the run is: of the ranks of torchrun the first one does."""
        return self.resources.ranks.first

    @contextmanager
    def _progress(self, title: str) -> "Iterator[TrainingBar]":
        from robust.progress import open_training_bar

        with self._uncaptured(), self.resources.budget.paused(), open_training_bar(title, self._shown) as bar:
            yield bar

    @contextmanager
    def _show_bar(self, title: str) -> "Iterator[Bar]":
        from robust.progress import open_bar

        with self._uncaptured(), open_bar(title, self._shown) as bar:
            yield bar

    def _uncaptured(self) -> "AbstractContextManager[None]":
        """Let what is written inside reach the terminal."""
        capture = self.config.pluginmanager.getplugin("capturemanager")
        return capture.global_and_fixture_disabled() if capture else nullcontext()
