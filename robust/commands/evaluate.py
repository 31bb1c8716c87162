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
from robust.options import words

QUIET = ("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")  # it was, to get here


def run(args: argparse.Namespace) -> int:
    """Evaluate. Returns pytest's exit status. The first rank alone reports and files."""
    with join(args.wait or WAIT) as ranks:
        return _evaluate(args, ranks)


def _evaluate(args: argparse.Namespace, ranks: Ranks) -> int:
    ending = Shutdown(ranks)
    together = DistributedPlugin(ranks, ending)
    typed = ["--robust-only", *words(lambda option: getattr(args, option.dest, None)), *QUIET]
    with _heard(ranks) as (screen, said), ending.catch_sigterm():
        status = int(pytest.main(typed if ranks.first else [*typed, "-p", "no:cacheprovider"], plugins=[together]))
        together.refuse(said().strip().rpartition("\n")[2].removeprefix("ERROR: "))
        if status == pytest.ExitCode.INTERNAL_ERROR:
            screen.write(said())
        sys.stdout.flush()
        return ending.close(status, "evaluate", screen)


@contextmanager
def _heard(ranks: Ranks) -> Iterator[tuple[TextIO, Callable[[], str]]]:
    """Within, the first rank alone is heard. Yields (stderr as it was, what to call for what another wrote since)."""
    if ranks.first:
        yield sys.stderr, lambda: ""
        return
    with tempfile.TemporaryFile("w+") as file:
        screen = os.fdopen(os.dup(2), "w")
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)

        def said() -> str:
            file.seek(0)
            return file.read()

        yield screen, said
