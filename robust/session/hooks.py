"""RobustSession: the hooks of a run that has a model. Registered by the plugin only then."""

from collections.abc import Generator
from typing import Any

import pytest

from robust.session.run import Run


class RobustSession:
    """What happens at the start, at each report, and at the end."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.failures: list[str] = []  # of the session as a whole

    def pytest_report_header(self) -> str:
        settings = self.run.settings
        words = (settings.dataset.name, ", ".join(settings.threats), f"attacks {', '.join(settings.attacks)}")
        return f"robust: {'; '.join(words)}; seed {settings.seed}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """The controller tries everything once, so that a mistake is one line and not a failure of each test."""
        if self.run.measures:
            self.run.workshop.check()

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
        if found is not None and self.run.measures:
            self.run.ledger.found.append(found)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        result = yield
        floor = self.run.settings.fail_under
        if self.run.measures and floor is not None:
            self.failures += self.run.ledger.below(floor)
            if not self.run.ledger.attacked:
                self.failures.append(
                    f"--robust-fail-under={floor:g}: no attack was run, so nothing shows that it holds"
                )
            session.testsfailed += bool(self.failures)
        return result

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        settings, ledger = self.run.settings, self.run.ledger if self.run.measures else None
        if ledger is None or not ledger.attacked:
            return
        try:
            if settings.leaderboard:
                ledger.file(settings.leaderboard, self.run.workshop.samples)
        except (OSError, ValueError) as error:
            self.failures.append(f"the leaderboard was not written: {error}")
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        else:
            ledger.clear()

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        if self.run.measures:
            from robust.session.summary import summarise

            summarise(terminalreporter, self.run.ledger, self.failures, self.run.config.invocation_params.dir)
