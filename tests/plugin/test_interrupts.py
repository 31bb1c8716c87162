"""Ctrl-C in the middle of a run: exit status 2, what was done is kept and said, and the next run goes on from there."""

import json
import sys

import pytest

from robust.records.record import Record
from robust.trust.checks import PREFLIGHT
from tests.plugin.conftest import UNCHECKED

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are a thing of Unix")

MAKE = ("--robust-model=net.py:make", "--robust-samples=20", "--robust-suite=quick-1")
INTERRUPT = """
import os, signal
import {module} as where

real, calls = where.{name}, []

def interrupted(*args, **named):
    calls.append(1)
    if len(calls) == {k}:
        os.kill(os.getpid(), signal.SIGINT)
    return real(*args, **named)

where.{name} = interrupted
"""


@pytest.fixture
def interrupt(pytester, fork_run, folder):
    """Interrupt a run before call number k of a function, and then run it again."""

    def interrupt(module, name, k, *args):
        pytester.makeconftest(INTERRUPT.format(module=module, name=name, k=k))
        first = fork_run(*args)
        assert first.ret == pytest.ExitCode.INTERRUPTED
        assert not [*folder.glob("leaderboard/results/**/*.json")]
        pytester.makeconftest("")
        return first, fork_run(*args)

    return interrupt


def rows(folder):
    return [Record.from_json(path.read_text()) for path in (folder / "leaderboard" / "results").rglob("*.json")]


def test_in_a_suite_its_rounds_are_kept(interrupt, folder):
    first, again = interrupt("robust.evaluation.suite_run", "assail", 3, *MAKE, UNCHECKED)

    kept = "interrupted; rounds that are kept: 2; the same command goes on from them"
    first.stdout.fnmatch_lines([f"*net, quick-1: {kept}"])
    again.stdout.fnmatch_lines(["*net, quick-1: goes on from an earlier run, of which 2 rounds are kept"])
    assert again.ret == 0
    assert [row.partial for row in rows(folder)] == [""]
    assert not [*folder.glob(".robust/suites/**/*.npz")]


@pytest.mark.slow
def test_in_test_trust_the_rounds_of_the_suite_are_kept_although_it_had_ended(interrupt, folder):
    amid = len(PREFLIGHT.names()) + 8  # among the checks of the row
    first, again = interrupt("robust.trust.checks", "_run_check", amid, *MAKE)

    no_row = "net (as-is), linf:0.15: 1 of 1 attacks were run, and test_trust was not, so there is no row"
    first.stdout.fnmatch_lines([f"{no_row}; its rounds are kept, and the same command goes on from them"])
    again.stdout.fnmatch_lines(["*net, quick-1: goes on from an earlier run, of which * rounds are kept"])
    assert again.ret == 0
    assert [row.verdict for row in rows(folder)] == ["trusted"]
    assert not [*folder.glob(".robust/suites/**/*.npz")]


def test_in_a_training_its_epochs_are_kept(interrupt, folder):
    train = ("--robust-model=net.py:bare", "--robust-samples=60", "--robust-train=standard:epochs=4", UNCHECKED)
    first, again = interrupt("robust.train.epoch_end", "validate", 3, *train, "--robust-attack=fgsm")

    first.stdout.fnmatch_lines(["*training standard:epochs=4: interrupted; it is kept, and the same command goes on *"])
    again.stdout.fnmatch_lines(["*goes on from an earlier training, at epoch 3 of 4"])
    assert again.ret == 0
    (card,) = (folder / ".robust" / "models").glob("*.json")
    assert [epoch["number"] for epoch in json.loads(card.read_text())["curve"]] == [1, 2, 3, 4]
    assert [row.model.training for row in rows(folder)] == ["standard:epochs=4"]
