"""Work in a fork of this process: whatever it writes, wherever that is, this process does not see.

A copy of a module shares what is not on the module: a global, a cell of a closure, an attribute of a class. A fork
shares nothing.
"""

import os
import select
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from signal import SIGKILL
from typing import NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from robust.device import device_of
from robust.models.traits import only_answers

SECONDS = 20.0  # a fork that has not answered by then is ended: threads of this process are missing in it
HEADER = 16  # bytes with the shape of an answer

Answers = NDArray[np.float64]


def can_fork(module: nn.Module) -> bool:
    """Whether a fork can ask the module: on Linux and a CPU alone; a black box has connections or threads."""
    return sys.platform == "linux" and device_of(module).type == "cpu" and not only_answers(module)


def run_forked(work: Callable[[], Answers], seconds: float = SECONDS) -> Answers | None:
    """Return the array that `work` returns in a fork, (n, k); None if it raises there, or has not ended in time."""
    ours, theirs = os.pipe()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # on threads, which the fork does without
            child = os.fork()
        if not child:
            _answer(work, theirs)
    except OSError:  # no memory for another process
        child = 0
    finally:
        os.close(theirs)
    try:
        content = _read(ours, time.monotonic() + seconds) if child else b""
    finally:
        os.close(ours)
        _end(child)
    if not content:
        return None
    answers: Answers = np.frombuffer(content[HEADER:], np.float64).reshape(np.frombuffer(content[:HEADER], np.int64))
    return answers.copy()


def _answer(work: Callable[[], Answers], pipe: int) -> NoReturn:
    """Write what `work` returns into the pipe, and end this process without what is to be done as pytest ends."""
    with suppress(BaseException):
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        torch.set_num_threads(1)  # those of the pool are not in the fork
        answers = np.ascontiguousarray(work(), np.float64)
        with os.fdopen(pipe, "wb") as file:
            file.write(np.array(answers.shape, np.int64).tobytes() + answers.tobytes())
    os._exit(0)


def _read(pipe: int, end: float) -> bytes:
    """Read all of the pipe; nothing if it is still open at the time `end`."""
    content = b""
    while select.select([pipe], [], [], max(0.0, end - time.monotonic()))[0]:
        if not (part := os.read(pipe, 1 << 16)):
            return content
        content += part
    return b""


def _end(child: int) -> None:
    """End a child and take its exit status; 0 stands for none."""
    if child:
        with suppress(ProcessLookupError):
            os.kill(child, SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(child, 0)
