"""`robust evaluate`: the plugin's tests without the user's, in one process or in all that torchrun started."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from robust.ending import Ending
from robust.options import words
from robust.ranks import WAIT, Ranks, joined
from robust.session.together import Together


def run(args: argparse.Namespace) -> int:
    """Evaluate. Returns pytest's exit status. The first rank alone reports and files."""
    with joined(args.wait or WAIT) as ranks:
        return _evaluate(args, ranks)


def _evaluate(args: argparse.Namespace, ranks: Ranks) -> int:
    ending = Ending(ranks)
    together = Together(ranks, ending)
    typed = ["--robust-only", *words(lambda option: getattr(args, option.dest, None))]
    with _heard(ranks) as (screen, last), ending.heeded():
        status = int(pytest.main(typed if ranks.first else [*typed, "-p", "no:cacheprovider"], plugins=[together]))
        together.refuse(last())
        ending.tell("evaluate", screen)
    return status


@contextmanager
def _heard(ranks: Ranks) -> Iterator[tuple[TextIO, Callable[[], str]]]:
    """Within, the first rank alone is heard. Yields (stderr as it was, what to call for the last line on it since)."""
    if ranks.first:
        yield sys.stderr, lambda: "its command line is wrong"
        return
    with tempfile.TemporaryFile("w+") as said, Path(os.devnull).open("w") as nowhere:
        screen = os.fdopen(os.dup(2), "w")
        os.dup2(nowhere.fileno(), 1)
        os.dup2(said.fileno(), 2)

        def last() -> str:
            said.seek(0)
            return said.read().strip().rpartition("\n")[2]

        yield screen, last
