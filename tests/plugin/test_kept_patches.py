"""A patch for all samples through the plugin: killed after it was learnt, on other samples, and on two workers."""

import shutil
import signal
import sys

import numpy as np
import pytest

from tests.plugin.test_main_job import records
from tests.plugin.test_patch_threats import NETS

UNIX = pytest.mark.skipif(sys.platform == "win32", reason="kills by a signal")
ONE = "patch:1x2:universal=true"
KILL = """
import os, signal
import robust.evaluation.{module}
def die(*args, **named):
    os.kill(os.getpid(), signal.SIGKILL)
robust.evaluation.{module}.assail = die
"""
COUNT = """
from robust.attacks.zoo import _universal
judge, calls = _universal.Lesson.judge, []
def counted(*args):
    calls.append(1)
    return judge(*args)
_universal.Lesson.judge = counted
def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"patches that were tried: {len(calls)}")
"""
DATA = """
import os
from pathlib import Path
from robust.data.factory import open_data

def load(split):
    x, y = open_data("digits", Path()).read(split)
    if split == "train":
        x[int(os.environ.get("SEED", 0))] = 0.5
    return x, y
"""


@pytest.fixture
def args(pytester, monkeypatch):
    (pytester.path / "patch_nets.py").write_text(NETS)
    (pytester.path / "digit_data.py").write_text(DATA)
    monkeypatch.syspath_prepend(pytester.path)
    words = [f"threat={ONE}", "model=patch_nets.py:make", "data=digit_data.py:load", "samples=60"]
    return [f"--robust-{word}" for word in (*words, "only", "verdict=none")]


def patches(folder):
    return sorted((folder / ".robust" / "patches").glob("*.npz"))


@UNIX
@pytest.mark.parametrize(
    ("run", "module"),
    [("--robust-attack=universal-patch:steps=30", "measure"), ("--robust-suite=quick-1", "suite_run")],
    ids=["attack", "suite"],
)
def test_killed_after_it_was_learnt_it_is_not_learnt_again(pytester, fork_run, args, run, module):
    pytester.runpytest_inprocess(*args, run, "--robust-leaderboard=whole").assert_outcomes(passed=2)
    shutil.rmtree(pytester.path / ".robust")
    pytester.makeconftest(KILL.format(module=module))
    assert fork_run(*args, run).ret == -signal.SIGKILL
    (file,) = patches(pytester.path)
    learnt = file.stat().st_mtime_ns

    pytester.makeconftest(COUNT)
    result = fork_run(*args, run)
    result.stdout.fnmatch_lines(["patches that were tried: 0"])
    assert "the patch for all samples is kept from an earlier run" in "".join([*result.outlines, *result.errlines])
    (whole,), (record,) = (records(pytester.path / name).values() for name in ("whole", "leaderboard"))
    assert record.same_outcomes(whole)
    assert [(a.forwards, a.backwards) for a in record.attacks] == [(a.forwards, a.backwards) for a in whole.attacks]
    assert [note for note in record.provenance["notes"] if "learnt" in note] == [
        note for note in whole.provenance["notes"] if "learnt" in note
    ]
    assert file.stat().st_mtime_ns == learnt


@UNIX
def test_on_other_training_samples_it_is_learnt_again_and_no_round_is_taken(pytester, fork_run, args, monkeypatch):
    pytester.makeconftest(KILL.format(module="suite_run") + COUNT)
    fork_run(*args, "--robust-suite=quick-1")
    pytester.makeconftest(COUNT)
    monkeypatch.setenv("SEED", "1")
    result = fork_run(*args, "--robust-suite=quick-1")

    result.stdout.no_fnmatch_line("patches that were tried: 0")
    assert len(patches(pytester.path)) == 2


def test_two_workers_have_the_patch_of_one_process(pytester, args):
    words = [*args, "--robust-attack=universal-patch:steps=30", "--robust-evidence=60"]
    pytester.runpytest_inprocess(*words, "--robust-leaderboard=alone").assert_outcomes(passed=2)
    shutil.rmtree(pytester.path / ".robust")
    pytester.runpytest_inprocess(*words, "-n2").assert_outcomes(passed=2)
    (alone,), (shared,) = (records(pytester.path / name).values() for name in ("alone", "leaderboard"))

    assert shared.same_outcomes(alone)
    first, second = (np.load(*(pytester.path / name).rglob("*.npz")) for name in ("alone", "leaderboard"))
    assert first.files == second.files
    assert len(first["x_adv"]) > 0
    for name in first.files:
        np.testing.assert_array_equal(first[name], second[name])
