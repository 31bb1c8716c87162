"""A pytest plugin that keeps the ranks in agreement, and ends a run that has lost one."""

from collections.abc import Generator
from contextlib import suppress
from typing import Any

import pytest

from robust.distributed import RANKS
from robust.distributed.ranks import ElsewhereError, LostError, Ranks
from robust.distributed.shutdown import Shutdown


class DistributedPlugin:
    """Hooks for a session that several processes run."""

    def __init__(self, ranks: Ranks, ending: Shutdown) -> None:
        self.ranks = ranks
        self.ending = ending
        self.started = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        if self.ranks.size > 1 and config.pluginmanager.hasplugin("dsession"):
            raise pytest.UsageError("-n: torchrun has started the processes already; take one of the two")
        config.stash[RANKS] = self.ranks

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionstart(self) -> Generator[None, None, None]:
        """Report an error that only one rank has, as when its machine lacks the data, on the first rank."""
        error = None
        try:
            yield
        except Exception as raised:
            error = raised
        self.started = True
        try:
            self.ranks.agree(lambda: _raise(error))
        except ElsewhereError as elsewhere:
            raise pytest.UsageError(str(elsewhere)) from elsewhere
        except LostError as lost:
            self._leave(lost)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        if call.excinfo is not None and isinstance(call.excinfo.value, LostError):
            self._leave(call.excinfo.value)
        return (yield)

    def _leave(self, lost: LostError) -> None:
        self.ending.lost = str(lost)
        pytest.exit("a process of this run is lost", returncode=pytest.ExitCode.TESTS_FAILED)

    def refuse(self, message: str) -> None:
        """Send the others the error of this rank, if its session has not started."""
        if not self.started:
            with suppress(ValueError, LostError):
                self.ranks.agree(lambda: _raise(ValueError(message)))


def _raise(error: Exception | None) -> None:
    if error is not None:
        raise error
