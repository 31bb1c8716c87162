"""Ending: a run that a model's code would end before its gates are decided fails instead."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

from robust.session.held_exit import HELD
from robust.session.places import needs_model
from robust.user_code import PACKAGE, describe_user_error

ENDS = (SystemExit, pytest.exit.Exception)
NAMED = 3  # tests that the line on those that did not run names


class Ending:
    """The hooks that hold what was planned against what was reported."""

    def __init__(self, failures: list[str]) -> None:
        self._failures = failures  # of the session as a whole
        self._planned: dict[str, None] = {}  # the tests that need the model, in order

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        with _contained(item):
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        with _contained(item):
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        if not session.config.option.collectonly:
            self._planned = {item.nodeid: None for item in session.items if needs_model(item)}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            self._planned.pop(report.nodeid, None)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Fail a run that was ended with status 0 before its tests had run; take its status once all is finished."""
        self._check_planned(session)
        result = yield
        HELD.decide(int(session.exitstatus))
        return result

    def _check_planned(self, session: pytest.Session) -> None:
        """Fail a run that ended with status 0 before its tests had run, as by pytest.exit(returncode=0)."""
        if session.exitstatus == 0 and self._planned:
            first = ", ".join([*self._planned][:NAMED]) + ", ..." * (len(self._planned) > NAMED)
            n = len(self._planned)
            why = f"the run was ended with status 0 before {n} of its tests had run: {first}"
            self._failures.append(f"{why}; so nothing shows what they would")
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@contextmanager
def _contained(item: pytest.Item) -> Iterator[None]:
    """Fail a test whose model would end the run, by sys.exit or pytest.exit; a user's test may call the latter."""
    try:
        yield
    except ENDS as error:
        if not needs_model(item) or not (isinstance(error, SystemExit) or _is_called_by_us(error)):
            raise
        raise pytest.fail.Exception(_describe(error), pytrace=False) from None


@contextmanager
def refuse_end() -> Iterator[None]:
    """Turn an end of the run inside into a ValueError: a fixture that raises SystemExit confuses pytest."""
    try:
        yield
    except ENDS as error:
        raise ValueError(_describe(error)) from error


def _describe(error: BaseException) -> str:
    return f"the model's code would have ended the run: {describe_user_error(error)}"


def _is_called_by_us(error: BaseException) -> bool:
    """Whether an error came through this package, and not from a test of the user's alone."""
    step = error.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if file.startswith(str(PACKAGE)) and file != __file__:
            return True
        step = step.tb_next
    return False
