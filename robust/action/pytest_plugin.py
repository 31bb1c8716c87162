"""A pytest plugin that writes the outcome of a run for the action: `-p robust.action.pytest_plugin`.

It reads the reports and the results of the session, never what is printed. Importing it imports no torch.
"""

import os
from collections.abc import Generator, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from robust.action import NOTES
from robust.session.run import RUN

if TYPE_CHECKING:
    from robust.action.outcome import Failure, Line, Outcome, Weakest
    from robust.session.row_key import RowKey
    from robust.session.run import Run

MAX_CHARACTERS = 4000  # characters of a test's message


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and os.environ.get(NOTES):
        config.pluginmanager.register(OutcomeWriter(config, Path(os.environ[NOTES])), "robust-action")


class OutcomeWriter:
    """The hooks of the process that reports, which write the outcome at the end."""

    def __init__(self, config: pytest.Config, path: Path) -> None:
        self._config, self._path = config, path
        self._failed: list[pytest.TestReport | pytest.CollectReport] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.append(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._failed.append(report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Write the outcome once all other plugins have finished: what they find then may fail the run, too."""
        result = yield
        if (run := self._config.stash.get(RUN, None)) and run.files:
            from robust.action.outcome import save

            save(self._path, self._outcome(run, int(session.exitstatus)))
        return result

    def _outcome(self, run: "Run", status: int) -> "Outcome":
        from robust.action.outcome import Failure, Outcome

        results, session = run.results, self._config.pluginmanager.get_plugin("robust-session")
        unfinished = results.describe_unfinished()
        models = {self._path_of(spec.path.as_posix()) for spec in run.settings.models}
        model = models.pop() if len(models) == 1 else ""  # gates are of rows; of several models it would be a guess
        messages = dict.fromkeys([*(session.failures if session else ()), *(unfinished if status else ())])
        return Outcome(
            status,
            lines=[_line(run, key) for key in results.list_keys()],
            failures=[*map(self._failure, self._failed), *(Failure(text, path=model) for text in messages)],
            warnings=[*results.warnings, *(() if status else unfinished)],
            compared=results.compared,
            unsure=any(decision.ruling == "inconclusive" for decision in chain(*results.decisions.values())),
        )

    def _failure(self, report: Any) -> "Failure":
        from robust.action.outcome import Failure

        file, line, _ = report.location or ("", None, "")
        return Failure(
            str(report.longrepr)[:MAX_CHARACTERS], report.nodeid, self._path_of(file), 0 if line is None else line + 1
        )

    def _path_of(self, file: str) -> str:
        """Return the path relative to the working directory; "" if it has no such file, as for a library's model."""
        path, here = self._config.rootpath / file, self._config.invocation_params.dir
        return path.relative_to(here).as_posix() if path.is_file() and path.is_relative_to(here) else ""


def _line(run: "Run", key: "RowKey") -> "Line":
    """Return a row with its floors, and the decision of the run."""
    from robust.action.outcome import Line

    gates, decision = run.settings.gates, run.gate_checks.decide(key)
    floor, clean_floor = run.gate_checks.floor_of(key), gates.clean()
    return Line(
        record=run.results.get_record(key),
        floor=None if floor is None else floor.percent,
        clean_floor=None if clean_floor is None else clean_floor.percent,
        fail_on=gates.fail_on,
        ruling=None if decision is None else decision.ruling,
        weakest=[*_list_weakest(run, key)],
    )


def _list_weakest(run: "Run", key: "RowKey") -> "Iterator[Weakest]":
    """Yield the weakest class of a row and its weakest group, with the decision of the run."""
    from robust.action.outcome import Weakest
    from robust.records.groups import find_weakest
    from robust.session.group_gates import PARTS, list_parts

    for measure, part in PARTS.items():
        groups = list_parts(run.results.get_record(key), measure)
        if (group := find_weakest(groups)) is None:
            continue
        floor, decided = run.gate_checks.decide_groups(key, measure) or (None, None)
        yield Weakest(
            part,
            **{name: getattr(group, name) for name in ("name", "n", "correct", "robust")},
            of=len(groups),
            floor=None if floor is None else floor.percent,
            ruling=None if decided is None else decided.decision.ruling,
        )
