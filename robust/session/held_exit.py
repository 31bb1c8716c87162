"""Hold the exit status: nothing in this process ends it with 0 before the gates are decided, or after they fail.

A model's code runs in the process that judges it. os._exit and os.exec* end it before pytest can say anything.
"""

import os
import sys
from typing import Any, NoReturn

NATIVE = ("exit", "_exit", "_Exit", "quick_exit")  # of the C library, which ctypes looks up by name


class EndedError(RuntimeError):
    """Code that a run called would have ended its process with status 0."""

    def __init__(self, call: str) -> None:
        super().__init__(f"{call} would have ended the run with status 0, before its gates were decided")


class HeldExit:
    """The hold on this process. Processes that it forks may end as they like."""

    def __init__(self) -> None:
        self._process = -1  # that is held; -1 for none
        self._status: int | None = None  # of the run; None while it is undecided
        self._end = os._exit

    def start(self) -> None:
        """Hold the process until `decide`."""
        if self._process == -1:
            sys.addaudithook(self._audit)  # it cannot be removed
            os._exit = self._exit
            vars(sys.modules[os.name])["_exit"] = self._exit  # posix or nt, where os has it from
        self._process, self._status = os.getpid(), None

    def decide(self, status: int) -> None:
        """Take the exit status of the run. One that is not 0 stays, also for what is called as the process ends."""
        self._status = status

    def stop(self) -> None:
        """Take a run that nobody has decided, as after a usage error, for one that failed."""
        if self._status is None:
            self._status = 1

    def _exit(self, status: int) -> NoReturn:
        if status & 0xFF == 0 and self._process == os.getpid():
            if self._status is None:
                raise EndedError("os._exit(0)")
            status = self._status
        self._end(status)

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        native = event == "ctypes.dlsym" and args[1] in NATIVE
        if (native or event == "os.exec") and self._process == os.getpid() and self._status != 0:
            raise EndedError(f"{args[1]} of the C library" if native else "os.exec*")


HELD = HeldExit()
