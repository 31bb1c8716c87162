"""Start runs of pytest and workers of xdist as forks of a server that has imported torch: in a tenth of the time.

A fork is a process of its own: it may be killed, may end, and leaves nothing behind in the process of the test. It is
no fresh interpreter: what looks at what is imported starts a real one.
"""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.forkserver import ensure_running
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

import pytest
from execnet.gateway_base import Popen2IO
from execnet.gateway_io import popen_bootstrapline
from pexpect.fdpexpect import fdspawn

ROOT = Path(__file__).parent.parent
CONTEXT = multiprocessing.get_context("forkserver")
OUTER = ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID", "PYTEST_CURRENT_TEST")


def environment() -> dict[str, str]:
    """Return this process's variables without those of the outer run."""
    return {key: value for key, value in os.environ.items() if key not in OUTER}


class Fork:
    """A forked process: as much of subprocess.Popen as pytester and execnet use."""

    stdin: Any = None

    def __init__(
        self, call: Callable[..., None], *args: Any, folder: str | Path, env: dict[str, str], files: Sequence[int]
    ) -> None:
        """Start `call(*args)` in the folder; `files` become its standard input, output and error output."""
        with contextlib.chdir(ROOT):  # the server imports `tests.preload` from there
            ensure_running()
        handed = [_Handed(file) for file in files]
        self._process = CONTEXT.Process(target=_enter, args=(call, args, str(folder), env, handed))
        self._process.start()

    @property
    def pid(self) -> int | None:
        """Return the number of the process."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal, or None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status; subprocess.TimeoutExpired after so many seconds."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("a forked process", timeout or 0)
        return self._process.exitcode

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()


def fork_pytest(
    args: Sequence[str], folder: str | Path, stdout: Any, stderr: Any, before: Callable[[], None] | None = None
) -> Fork:
    """Start `python -m pytest` with these arguments in the folder; `before` is called in the new process first."""
    with Path(os.devnull).open() as null:
        files = [file.fileno() for file in (null, stdout, stderr)]
        return Fork(_run_pytest, ["pytest", *map(str, args)], before, folder=folder, env=environment(), files=files)


@contextlib.contextmanager
def fork_terminal(args: Sequence[str], folder: str | Path) -> Iterator[fdspawn]:
    """Run pytest on a terminal of 80 columns; the run must succeed, once all that was expected of it was seen."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    with os.fdopen(ours, "rb", buffering=0), os.fdopen(theirs, "wb", buffering=0) as terminal:
        run = fork_pytest(args, folder, terminal, terminal)
        yield fdspawn(ours, timeout=120, encoding="utf-8")
        assert run.wait(120) == 0


def _run_pytest(words: list[str], before: Callable[[], None] | None) -> None:
    if before:
        before()
    sys.argv = words
    sys.path.insert(0, str(Path.cwd()))
    sys.exit(pytest.console_main())


class ForkedWorker(Popen2IO):
    """A worker of xdist that is a fork; it reads its program from its standard input, as a fresh one does."""

    def __init__(self, args: list[str], execmodel: Any) -> None:
        """Start the worker that execnet would start by the command `args`."""
        theirs, ours = os.pipe(), os.pipe()
        self.popen = Fork(_follow, folder=Path.cwd(), env=environment(), files=(theirs[0], ours[1], 2))
        os.close(theirs[0])
        os.close(ours[1])
        super().__init__(os.fdopen(theirs[1], "wb"), os.fdopen(ours[0], "rb"), execmodel=execmodel)

    def wait(self) -> int:
        """Return the exit status of the worker, once it has ended."""
        return self.popen.wait()

    def kill(self) -> None:
        """End the worker at once."""
        self.popen.kill()


def _follow() -> None:
    exec(popen_bootstrapline, {"__name__": "__main__"})


class _Handed:
    """An open file of this process; it arrives as the number that it has in the forked one."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Callable[[Any], int], tuple[Any]]:
        return _taken, (DupFd(self.number),)


def _taken(file: Any) -> int:
    return file.detach()


def _enter(
    call: Callable[..., None], args: tuple[Any, ...], folder: str, env: dict[str, str], files: Sequence[int]
) -> None:
    """Become the process that was asked for, and call it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    for place, file in enumerate(files):
        os.dup2(file, place)
        os.close(file)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 the process's own, which lives as long as it
    call(*args)
