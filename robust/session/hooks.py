"""RobustSession: the hooks of a run that has a model. Registered by the plugin only then."""

import os
import shlex
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from robust.options import OPTIONS
from robust.session.collect import Mount
from robust.session.settings import Settings, read

if TYPE_CHECKING:
    from robust.session.bench import Bench
    from robust.session.ledger import Ledger
    from robust.session.workshop import Workshop
    from robust.train.cache import OnEpoch


class RobustSession:
    """One run. Torch comes in with the first measurement, or with the check at the start, never while collecting."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.settings: Settings = read(config)
        self.is_worker = hasattr(config, "workerinput")
        self.failures: list[str] = []  # of the session as a whole
        mount = Mount(config, [spec.path for spec in self.settings.models], self.settings.only)
        config.pluginmanager.register(mount, "robust-mount")

    @cached_property
    def workshop(self) -> "Workshop":
        from robust.session.workshop import Workshop, share_cores

        if self.is_worker:
            share_cores(int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
        return Workshop(self.settings, self._progress)

    @cached_property
    def bench(self) -> "Bench":
        from robust.session.bench import Bench

        return Bench(self.workshop, self._command())

    @cached_property
    def ledger(self) -> "Ledger":
        from robust.session.ledger import Ledger

        return Ledger()

    def pytest_report_header(self) -> str:
        settings = self.settings
        words = (settings.dataset.name, ", ".join(settings.threats), f"attacks {', '.join(settings.attacks)}")
        return f"robust: {'; '.join(words)}; seed {settings.seed}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """The controller tries everything once, so that a mistake is one line and not a failure of each test."""
        if not self.is_worker and not self.config.option.collectonly:
            self.workshop.check()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, Any]:
        report = yield
        from robust.session.bench import FOUND

        if report.when == "call" and FOUND in item.stash:
            report.robust = item.stash[FOUND]
            report.location = (item.nodeid.partition("::")[0], None, report.location[2])
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found = getattr(report, "robust", None)
        if found is not None and not self.is_worker:
            self.ledger.found.append(found)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        result = yield
        floor = self.settings.fail_under
        if not self.is_worker and not self.config.option.collectonly and floor is not None:
            self.failures += self.ledger.below(floor)
            if not any("attack" in found for found in self.ledger.found):
                self.failures.append(
                    f"--robust-fail-under={floor:g}: no attack was run, so nothing shows that it holds"
                )
            session.testsfailed += bool(self.failures)
        return result

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.is_worker or self.config.option.collectonly:
            return
        folder = self.settings.leaderboard
        try:
            if folder and any("attack" in found for found in self.ledger.found):
                self.ledger.file(folder, self.workshop.samples)
        except (OSError, ValueError) as error:
            self.failures.append(f"the leaderboard was not written: {error}; what was found is in {self.settings.home}")
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        else:
            self.ledger.clear()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.config.option.collectonly:
            from robust.session.summary import summarise

            summarise(terminalreporter, self.ledger, self.failures, self.settings.folder)

    def _command(self) -> str:
        """This run's options, as they were typed, without node ids."""
        words = ["pytest"]
        for option in OPTIONS:
            given = self.config.getoption(option.dest)
            if option.flag:
                words += [f"--robust-{option.name}"] * bool(given)
            else:
                values = given if isinstance(given, list) else [given] if given is not None else []
                words += [f"--robust-{option.name}={value}" for value in values]
        return shlex.join(words)

    @contextmanager
    def _progress(self, title: str) -> "Iterator[OnEpoch]":
        from robust.session.progress import training_bar

        capture = self.config.pluginmanager.getplugin("capturemanager")
        quiet = capture.global_and_fixture_disabled() if capture else nullcontext()
        with quiet, training_bar(title) as on_epoch:
            yield on_epoch
