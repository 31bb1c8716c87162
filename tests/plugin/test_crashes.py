"""Finished rows stay, however a run ends."""

import signal
import sys

import pytest

from robust.records.record import Record
from tests.plugin.conftest import UNCHECKED

MODEL = "--robust-model=net.py:make"
TWO = (MODEL, UNCHECKED, "--robust-threat=linf:0.15,l2:0.5", "--robust-samples=60", "--robust-attack=fgsm,pgd:steps=5")
UNIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are a thing of Unix")

CRASH = """
import os, signal

def pytest_runtest_call(item):
    if "pgd" in item.name and "l2" in item.name:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def filed(folder):
    return [
        Record.from_json(p.read_text()).threat for p in sorted((folder / "leaderboard" / "results").rglob("*.json"))
    ]


def parts(folder):
    return [*(folder / ".robust" / "parts").rglob("*.npz")]


@UNIX
def test_a_worker_that_is_killed_takes_no_finished_row_with_it(run, pytester, folder):
    pytester.makeconftest(CRASH)
    result = run(*TWO, "-n", "2")

    result.assert_outcomes(passed=4, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*crashed while running*net.py::test_attack*pgd-steps5-l2-0.5*",
            "net (as-is), l2:0.5: 1 of 2 attacks were run, so there is no row",
        ]
    )
    assert filed(folder) == ["linf:0.15"]


@UNIX
def test_a_run_that_is_killed_keeps_its_finished_rows_and_blocks_no_later_one(run, fork_run, pytester, folder):
    pytester.makeconftest(CRASH)
    killed = fork_run(*TWO)

    assert killed.ret == -signal.SIGKILL
    assert filed(folder) == ["linf:0.15"]
    assert "linf:0.15" in (folder / "leaderboard" / "results.csv").read_text()

    pytester.makeconftest("")
    run(*TWO).stdout.fnmatch_lines(["leaderboard (1 new; 1 measured the same as before):*"])
    assert sorted(filed(folder)) == ["l2:0.5", "linf:0.15"]


def test_ctrl_c_with_parallel_workers_keeps_the_finished_rows(pytester, folder):
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(trylast=True)
        def pytest_runtest_logreport(report):
            if report.when == "call" and "fgsm-l2" in report.nodeid:
                raise KeyboardInterrupt
        """
    )
    result = pytester.runpytest_inprocess(*TWO, "-n", "2", "--dist=loadfile", no_reraise_ctrlc=True)

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert filed(folder) == ["linf:0.15"]
    result.stdout.fnmatch_lines(["digits, linf:0.15, *", "net (as-is), l2:0.5: 1 of 2 attacks were run*"])


def test_pytest_exit_keeps_the_finished_rows(run, pytester, folder):
    pytester.makepyfile(test_own="def test_own(): pytest.exit('enough', returncode=7)\n\nimport pytest")
    pytester.makeconftest("def pytest_collection_modifyitems(items): items.sort(key=lambda item: 'own' in item.name)")
    result = run(*TWO)

    assert result.ret == 7
    assert sorted(filed(folder)) == ["l2:0.5", "linf:0.15"]


def test_inputs_on_their_way_to_a_row_do_not_stay(run, folder):
    """Neither of a row that was filed, nor of one whose attacks were not all run."""
    run(*TWO)
    assert not parts(folder)

    run(*TWO, "--robust-fail-under=99", "-x")
    assert not parts(folder)
