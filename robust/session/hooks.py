"""RobustSession: the hooks of a run that has a model. Registered by the plugin only then."""

from collections.abc import Generator
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from robust.gates import Decision
from robust.session import CHOSEN
from robust.session.fixtures import RESULTS, read_mark
from robust.session.run import Run
from robust.session.selection import Selection, group, node_id, unheld
from robust.settings.parsing import asked

if TYPE_CHECKING:
    from robust.session.results import Key


class RobustSession:
    """What happens at the start, at each report, and at the end."""

    def __init__(self, run: Run, selection: Selection) -> None:
        self.run = run
        self.selection = selection
        self.failures: list[str] = []  # of the session as a whole
        self._unwritten = False  # whether the leaderboard could not be written
        self._tried = False  # whether the models were loaded, and all else was checked

    def pytest_report_header(self) -> str:
        settings = self.run.settings
        words = [settings.dataset.name, ", ".join(settings.threats)]
        words += [f"attacks {', '.join(settings.attacks)}"] * bool(settings.attacks)
        words += [f"suites {', '.join(suite.name for suite in settings.suites)}"] * bool(settings.suites)
        return f"robust: {'; '.join(words)}; seed {settings.seed}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """The controller of pytest-xdist collects nothing."""
        if self.run.config.pluginmanager.hasplugin("dsession"):
            self._check()

    def _check(self) -> None:
        """Everything is tried once, so that a mistake is one line and not a failure of each test."""
        if self.run.checks and not self._tried:
            self._tried = True
            self.run.resources.check()
            if self.run.settings.guards and (why := self.run.regression_test.chosen.why):
                self.run.results.warnings[why] = None

    @property
    def _idle(self) -> bool:
        """Whether the user left all of ours out: then no model is loaded, and nothing can be wrong with it."""
        return not self._tried and self.selection.left_out and self.run.settings.baselines.save is None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker of pytest-xdist what the controller has chosen to compare with."""
        if self.run.settings.guards and self.run.measures:
            node.workerinput[CHOSEN] = self.run.regression_test.chosen.to_json()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.run.config.getoption("loadgroup", False):  # xdist's, in a worker
            group(items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        try:
            read_mark(item)
        except ValueError as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """A floor on a test that attacked nothing is no gate."""
        result = yield
        if (floor := read_mark(item).floor) and not item.stash.get(RESULTS, None):
            told = "robust_attack was not called, so nothing shows that it holds"
            pytest.fail(f"the mark robust(fail_under={floor}): {told}", pytrace=False)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, Any]:
        report = yield
        if not _ours(item):
            return report
        from robust.session.case import COMPARED, DECISIONS, FOUND, WARNINGS

        if report.when == "call":
            report.robust_decisions = [asdict(decision) for decision in item.stash.get(DECISIONS, [])]
            report.robust_warnings = item.stash.get(WARNINGS, [])
            report.robust_compared = item.stash.get(COMPARED, None)
        if report.skipped and FOUND not in item.stash and (floor := unheld(item, self.run.settings)):
            told = f"{node_id(item)} was skipped, so nothing shows that it holds"
            report.robust_unheld = f"--robust-fail-under={floor}: {told}"
        if report.when == "call" and FOUND in item.stash:
            report.robust = item.stash[FOUND]
            report.location = (item.nodeid.partition("::")[0], None, report.location[2])
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A row is filed as soon as its last attack is done, so that a crash later loses nothing of it."""
        if not self.run.measures:
            return
        if told := getattr(report, "robust_unheld", ""):
            self.failures.append(told)
        if not hasattr(report, "robust_warnings"):  # none of ours, or not its call
            return
        self.run.results.decisions[report.nodeid] = [Decision(**fields) for fields in report.robust_decisions]
        self.run.results.warnings |= dict.fromkeys(report.robust_warnings)
        if compared := report.robust_compared:
            self.run.results.compared[compared["told"]] = compared
        for found in getattr(report, "robust", ()):
            if (key := self.run.results.take(found)) and self._filed(key):
                self._ask("pytest_robust_record", record=self.run.results.record(key))

    def _ask(self, name: str, **arguments: object) -> list[Any]:
        """What the implementations of a hook return; one that fails fails the run, and loses nothing."""
        try:
            found: list[Any] = asked(self.run.config, name, **arguments)
        except ValueError as error:
            self.failures.append(str(error))
            return []
        return found

    def _filed(self, key: "Key") -> bool:
        """File a row where there is a leaderboard; False where its inputs were found to be no evidence."""
        from robust.session.reverify import UnverifiedError, reverify

        folder = self.run.settings.leaderboard
        if folder is None or self._unwritten:
            return True
        try:
            settings, look = self.run.settings, partial(reverify, self.run.resources)
            self.run.results.file(folder, key, settings.evidence, settings.gallery, look)
        except UnverifiedError as error:
            self.failures.append(str(error))
            return False
        except (OSError, ValueError) as error:
            self._unwritten = True
            self.failures.append(f"the leaderboard was not written: {error}")
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        if not session.testsfailed and (any(map(_ours, session.items)) or not self._idle):
            self._check()
        result = yield
        if self.run.measures and not self._idle:
            results, gate_checks = self.run.results, self.run.gate_checks
            self.failures += gate_checks.check_rows()
            self.failures += self._worse()
            if not self.selection.left_out:
                self.failures += gate_checks.check_measured() + self._not_compared()
            for lines in self._ask("pytest_robust_gates", records=results.records()):
                if isinstance(lines, list | tuple) and all(isinstance(line, str) for line in lines):
                    self.failures += lines
                else:
                    self.failures.append(f"pytest_robust_gates returned {lines!r}, expected a list of str")
            session.testsfailed += bool(self.failures)
        return result

    @property
    def _compares(self) -> bool:
        return bool(self.run.settings.guards) and self.run.regression_test.chosen.baseline is not None

    def _worse(self) -> list[str]:
        """A line for each row of the user's that is worse than the baseline's; and what is known in the end of ours."""
        if not self._compares:
            return []
        self.run.regression_test.settle(self.run.results)
        return self.run.regression_test.reported(self.run.results)

    def _not_compared(self) -> list[str]:
        """A line for each margin without a comparison."""
        held = {figures["margin"] for figures in self.run.results.compared.values()}
        margins = map(str, self.run.settings.baselines.margins if self._compares else ())
        told = "nothing was compared, so nothing shows that it holds"
        return [f"--robust-compare-fail={margin}: {told}" for margin in margins if margin not in held]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self.run.measures or self._idle:
            return
        results, folder, failed = self.run.results, self.run.settings.leaderboard, len(self.failures)
        if folder is not None and results.files:
            self._ask("pytest_robust_report", folder=folder, records=results.records())
        self._save(session)
        if not self._unwritten:
            results.clear()
        if self._unwritten or len(self.failures) > failed:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _save(self, session: pytest.Session) -> None:
        """Keep the rows as a baseline, where that was asked for and nothing failed."""
        if self.run.settings.baselines.save is None:
            return
        from robust.session.baseline import save_rows

        if session.exitstatus or self.failures:
            self.run.results.saved = "no baseline was saved: the run failed"
            return
        try:
            self.run.results.saved = save_rows(self.run.resources, self.run.results)
        except (OSError, ValueError, LookupError) as error:
            self.failures.append(f"--robust-save: no baseline was saved: {error}")

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        if self.run.measures and not self._idle:
            from robust.session.summary import summarise

            folder, notes = self.run.config.invocation_params.dir, self.run.resources.notes
            summarise(terminalreporter, self.run.results, self.failures, folder, notes)


def _ours(item: pytest.Item) -> bool:
    """Whether it needs the model: a shipped test, or one of the user's that asks for our fixtures."""
    return "_robust_run" in getattr(item, "fixturenames", ())
