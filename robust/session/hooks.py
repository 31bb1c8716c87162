"""RobustSession: the hooks of a run that has a model. Registered by the plugin only then."""

from collections.abc import Generator
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from robust.gates import Decision
from robust.session import SELECTED_BASELINE
from robust.session.fixtures import RESULTS, read_mark
from robust.session.header import describe_run
from robust.session.places import needs_model
from robust.session.run import Run
from robust.session.selection import (
    Selection,
    describe_unmeasured,
    group_rows,
    is_excuse,
    is_shipped,
    is_stopped,
    weigh_parts,
)
from robust.settings.baseline import FLOAT
from robust.settings.parsing import call_hook

if TYPE_CHECKING:
    from robust.data.dataset import Samples
    from robust.records.groups import Groups
    from robust.session.row_key import RowKey


class RobustSession:
    """The hooks of the session: at its start, at each report, and at its end."""

    def __init__(self, run: Run, selection: Selection) -> None:
        self.run = run
        self.selection = selection
        self.failures: list[str] = []  # of the session as a whole
        self._unwritten = False  # whether the leaderboard could not be written
        self._stopped = False  # whether an attack could not be run to its end: then the answers of models are kept
        self._excused = False  # whether a test failed or was skipped: then a row may be missing
        self._checked = False  # whether the models were loaded, and all else was tried
        self._sent: set[str] = set()  # the digests of the samples whose labels were sent

    def pytest_report_header(self) -> list[str]:
        return describe_run(self.run.settings)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Check at the start if this is the controller of pytest-xdist, which collects nothing."""
        if self.run.config.pluginmanager.hasplugin("dsession"):
            self._check()

    def _check(self) -> None:
        """Try everything once, so that a mistake is one line and not a failure of each test."""
        if not self.run.checks or self._checked:
            return
        from robust.session.startup import check_settings

        self._checked = True
        trace = bool(self.run.config.getoption("fulltrace", False))  # absent with -p no:terminal
        check_settings(self.run.resources, trace)
        if self.run.settings.regression_checks and (why := self.run.regression_test.selected.why):
            self.run.results.warnings[why] = None

    @property
    def _idle(self) -> bool:
        """Whether the user left all of our tests out: then no model is loaded, and nothing can be wrong with it."""
        return not self._checked and self.selection.left_out and self.run.settings.baselines.save is None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give a worker of pytest-xdist the baseline that the controller has selected."""
        if self.run.settings.regression_checks and self.run.files:
            node.workerinput[SELECTED_BASELINE] = self.run.regression_test.selected.to_json()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Foretell once a worker has collected shipped tests: the controller collects nothing."""
        if self._checked and any(map(is_shipped, ids)):
            self.run.foretell()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.run.config.getoption("loadgroup", False):  # xdist's, in a worker
            group_rows(items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        try:
            read_mark(item)
        except ValueError as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Start the clock. Fail a test that has a floor and attacked nothing: its floor gates nothing."""
        if self.run.settings.seconds is not None and needs_model(item):
            self.run.resources.budget.start()
        result = yield
        if (floor := read_mark(item).floor) and not item.stash.get(RESULTS, None):
            reason = "robust_attack was not called, so nothing shows that it holds"
            pytest.fail(f"the mark robust(fail_under={floor}): {reason}", pytrace=False)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Put what the test measured on its report, as JSON can hold it: a worker's report goes to the controller."""
        report = yield
        if not needs_model(item):
            return report
        from robust.session.case import COMPARED, DECISIONS, PAYLOADS, SAMPLES, WARNINGS
        from robust.session.payload import labels_of

        if report.when == "call":
            report.robust_decisions = [asdict(decision) for decision in item.stash.get(DECISIONS, [])]
            report.robust_warnings = item.stash.get(WARNINGS, [])
            report.robust_compared = item.stash.get(COMPARED, None)
        report.robust_ours = True
        report.robust_stopped = PAYLOADS not in item.stash and is_stopped(item, report)
        if PAYLOADS not in item.stash:
            report.robust_unmeasured = describe_unmeasured(item, report, self.run.settings)
        if report.when == "call" and PAYLOADS in item.stash:
            report.robust = [payload.to_json() for payload in item.stash[PAYLOADS]]
            samples = item.stash[SAMPLES]
            report.robust_labels = {} if samples.digest in self._sent else labels_of(samples, self._group(samples))
        return report

    def _group(self, samples: "Samples") -> "Groups | None":
        """Return the groups of samples; None if none were named, or the user's own samples have none."""
        if self.run.settings.groups is None:
            return None
        try:
            return self.run.resources.data.read_groups(samples)
        except ValueError:
            return None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """File a row as soon as its last attack is done, so that a crash later loses nothing of it."""
        self._sent.update(getattr(report, "robust_labels", ()))
        if not self.run.files:
            return
        if message := getattr(report, "robust_unmeasured", ""):
            self.failures.append(message)
        self._excused |= is_excuse(report)
        self._stopped |= getattr(report, "robust_stopped", False)
        if not hasattr(report, "robust_warnings"):  # a test without the model, or not its call
            return
        results = self.run.results
        results.decisions[report.nodeid] = [Decision(**fields) for fields in report.robust_decisions]
        results.warnings |= dict.fromkeys(report.robust_warnings)
        if compared := report.robust_compared:
            results.compared[compared["text"]] = compared
        if hasattr(report, "robust"):
            self._take(report.robust, report.robust_labels)

    def _take(self, payloads: list[dict[str, Any]], labels: dict[str, Any]) -> None:
        from robust.session.payload import ItemPayload

        results = self.run.results
        results.labels |= labels
        for content in payloads:
            for key in results.take(ItemPayload.from_json(content)):
                if self._file(key):
                    self._call_hook("pytest_robust_record", record=results.get_record(key))

    def _call_hook(self, name: str, **arguments: object) -> list[Any]:
        """Return what the implementations of a hook return. One that fails fails the run, and loses nothing."""
        try:
            returned: list[Any] = call_hook(self.run.config, name, **arguments)
        except ValueError as error:
            self.failures.append(str(error))
            return []
        return returned

    def _file(self, key: "RowKey") -> bool:
        """File a row if there is a leaderboard. Returns False if its inputs turned out not to be adversarial."""
        from robust.session.reverify import UNFILED, UnverifiedError, judge_reverified, reverify

        settings, results, folder = self.run.settings, self.run.results, self.run.settings.leaderboard
        if folder is None and settings.fresh and results.get_record(key).has_adversarial:
            results.add_reverified(key, UNFILED)
        if folder is None or self._unwritten:
            return True
        try:
            data = self.run.find_data(results.get_record(key).data.name)
            verify = partial(reverify, data, settings.fresh)
            results.file(folder, key, settings.evidence, settings.gallery, verify)
            self.failures += judge_reverified(results.get_record(key), settings.verdict)
        except UnverifiedError as error:
            self.failures.append(str(error))
            return False
        except (OSError, ValueError) as error:
            self._unwritten = True
            self.failures.append(f"the leaderboard was not written: {error}")
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        if not session.testsfailed and (any(map(needs_model, session.items)) or not self._idle):
            self._check()
        if self._checked and session.items:
            self.run.foretell()
        if self.run.settings.seconds is not None:
            checked = self.run.settings.verdict is not None
            self.run.resources.budget.plan(weigh_parts(session.items, preflight=checked))
        result = yield
        if self.run.files and not self._idle:
            self._check_gates()
            session.testsfailed += bool(self.failures)
        return result

    def _check_gates(self) -> None:
        """Add a line to the failures for each gate that fails, or that nothing was measured for."""
        gate_checks = self.run.gate_checks
        if self.run.settings.folds:
            self.failures += self.run.fold_checks.check(excused=self._excused)
        else:
            self.failures += gate_checks.check_rows(excused=self._excused)
        self.failures += gate_checks.check_contradictions()
        self.failures += self._compare_reported()
        if not self.selection.left_out:
            self.failures += gate_checks.check_measured() + self._check_compared()
        for lines in self._call_hook("pytest_robust_gates", records=self.run.results.list_records()):
            if isinstance(lines, list | tuple) and all(isinstance(line, str) for line in lines):
                self.failures += lines
            else:
                self.failures.append(f"pytest_robust_gates returned {lines!r}, expected a list of str")

    @property
    def _compares(self) -> bool:
        if not self.run.settings.regression_checks:
            return False
        return self._is_float or self.run.regression_test.selected.baseline is not None

    @property
    def _is_float(self) -> bool:
        """Whether compressed models are compared with their float networks, and not with a baseline."""
        return self.run.settings.baselines.compare == FLOAT

    def _compare_reported(self) -> list[str]:
        """Return a line for each row of the user's that is worse than the baseline's."""
        if not self._compares or self._is_float:
            return []
        from robust.session.reported_regressions import compare_reported

        baseline = self.run.regression_test.selected.baseline
        assert baseline is not None
        return compare_reported(self.run.results, baseline, self.run.settings.baselines.margins)

    def _check_compared(self) -> list[str]:
        """Return a line for each allowed drop without a comparison."""
        compared = {figures["margin"] for figures in self.run.results.compared.values()}
        margins = map(str, self.run.settings.baselines.margins if self._compares else ())
        reason = "nothing was compared, so nothing shows that it holds"
        return [f"--robust-compare-fail={margin}: {reason}" for margin in margins if margin not in compared]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self.run.files or self._idle or session.exitstatus == pytest.ExitCode.USAGE_ERROR:
            return
        results, folder, failed = self.run.results, self.run.settings.leaderboard, len(self.failures)
        if folder is not None and results.files:
            self._call_hook("pytest_robust_report", folder=folder, records=results.list_records())
        self._save(session)
        if not self._unwritten:
            results.clear()
        if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not (
            self._stopped or results.describe_unfinished()
        ):
            self.run.resources.models.forget_answers()
        if self._unwritten or len(self.failures) > failed:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _save(self, session: pytest.Session) -> None:
        """Save the rows as a baseline, if that was asked for and nothing failed."""
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

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter", exitstatus: int) -> None:
        if self.run.files and not self._idle and exitstatus != pytest.ExitCode.USAGE_ERROR:
            from robust.session.summary import summarise

            folder, resources = self.run.config.invocation_params.dir, self.run.resources
            notes = {f"loaded {model}": note for model, note in resources.models.notes.items()}
            if remarks := self.run.settings.dataset.remarks.notes:
                notes[f"read {self.run.settings.data}"] = "; ".join(remarks)
            summarise(terminalreporter, self.run.results, self.failures, folder, notes)
