"""Together: a plugin of pytest, for what all ranks must agree on, and for how a run ends that has lost one."""

from collections.abc import Generator
from contextlib import suppress
from typing import Any

import pytest

from robust.distributed import RANKS
from robust.distributed.ranks import ElsewhereError, LostError, Ranks
from robust.distributed.shutdown import Shutdown


class DistributedPlugin:
    """What happens beside the session's own hooks where several processes run it."""

    def __init__(self, ranks: Ranks, ending: Shutdown) -> None:
        self.ranks = ranks
        self.ending = ending
        self.begun = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        if self.ranks.size > 1 and config.pluginmanager.hasplugin("dsession"):
            raise pytest.UsageError("-n: torchrun has started the processes already; take one of the two")
        config.stash[RANKS] = self.ranks

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionstart(self) -> Generator[None, None, None]:
        """A mistake that one rank alone sees, as where its machine lacks the data, is told by the first."""
        error = None
        try:
            yield
        except Exception as failed:
            error = failed
        self.begun = True
        try:
            self.ranks.agreed(lambda: _raise(error))
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

    def refuse(self, told: str) -> None:
        """Tell the others that this rank has not come to the start of its session."""
        if not self.begun:
            with suppress(ValueError, LostError):
                self.ranks.agreed(lambda: _raise(ValueError(told)))


def _raise(error: Exception | None) -> None:
    if error is not None:
        raise error
