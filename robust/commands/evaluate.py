"""`robust evaluate`: the plugin's tests without the user's, in one process or in all that torchrun started."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

import pytest

from robust.distributed.pytest_plugin import DistributedPlugin
from robust.distributed.ranks import WAIT, Ranks, join
from robust.distributed.shutdown import Shutdown
from robust.options import spell_options

QUIET = ("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")  # it was, to get here


def run(args: argparse.Namespace) -> int:
    """Evaluate, and return pytest's exit status. The first rank alone reports and files."""
    with join(args.wait or WAIT) as ranks:
        return _evaluate(args, ranks)


def _evaluate(args: argparse.Namespace, ranks: Ranks) -> int:
    shutdown = Shutdown(ranks)
    plugin = DistributedPlugin(ranks, shutdown)
    typed = ["--robust-only", *spell_options(lambda option: getattr(args, option.dest, None)), *QUIET]
    with _mute_others(ranks) as (screen, read_muted), shutdown.catch_sigterm():
        status = int(pytest.main(typed if ranks.first else [*typed, "-p", "no:cacheprovider"], plugins=[plugin]))
        plugin.refuse(read_muted().strip().rpartition("\n")[2].removeprefix("ERROR: "))
        if status == pytest.ExitCode.INTERNAL_ERROR:
            screen.write(read_muted())
        sys.stdout.flush()
        return shutdown.close(status, "evaluate", screen)


@contextmanager
def _mute_others(ranks: Ranks) -> Iterator[tuple[TextIO, Callable[[], str]]]:
    """Let only the first rank write to the terminal; yields (the real stderr, a function for the muted text)."""
    if ranks.first:
        yield sys.stderr, lambda: ""
        return
    with tempfile.TemporaryFile("w+") as file:
        screen = os.fdopen(os.dup(2), "w")
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)

        def read_muted() -> str:
            file.seek(0)
            return file.read()

        yield screen, read_muted
