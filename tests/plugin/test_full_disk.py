"""A full disk is told, fails the run, and leaves the leaderboard as it was."""

import os
import resource
import subprocess
import sys

import pytest

from robust.session.waiting_inputs import HOST

GIVEN = ("--robust-model=net.py:make", "--robust-samples=100", "-p", "no:cacheprovider")


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def limited():
    """No file may grow beyond 4 KiB from here on."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def test_a_full_disk_leaves_the_leaderboard_as_it_was(fork_run, folder):
    assert fork_run(*GIVEN).ret == 0
    before = contents(folder / "leaderboard")

    result = fork_run(*GIVEN, "--robust-seed=1", before=limited)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "could not be written: [Errno 27] File too large" in result.stdout.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert contents(folder / "leaderboard") == before


def test_a_full_disk_is_one_line_of_a_suite_too(fork_run, folder):
    result = fork_run(*GIVEN, "--robust-suite=quick-1", before=limited)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "could not be run: its rounds could not be written: [Errno 27] File too large" in result.stdout.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert not [*(folder / "leaderboard").rglob("*.json")]


@pytest.mark.parametrize("args", [["--robust-attack=fgsm"], ["--robust-suite=quick-1"]])
def test_a_folder_that_cannot_be_made_is_one_line(folder, run, args):
    (folder / ".robust").touch()
    result = run("--robust-model=net.py:make", "--robust-samples=60", *args, fast=False)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["the * could not be written: *File exists*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_what_waited_for_the_row_of_a_killed_run_is_removed_by_the_next(folder, run):
    parts = folder / ".robust" / "parts"
    died = subprocess.Popen([sys.executable, "-c", ""])
    died.wait()
    elsewhere, alive, gone = (f"other-{died.pid}-1", f"{HOST}-{os.getpid()}-1", f"{HOST}-{died.pid}-1")
    for name in (elsewhere, alive, gone):
        (parts / name).mkdir(parents=True)
        (parts / name / "inputs.npz").touch()

    run("--robust-model=net.py:make")
    assert {path.name for path in parts.iterdir()} == {elsewhere, alive}


def test_a_leaderboard_that_cannot_be_written_fails_the_run_and_keeps_what_is_there(fork_run, folder, pytester):
    pytester.makeconftest(
        """
        import resource

        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_logreport(report):
            if "trust" in report.nodeid and report.when == "call":  # the last is measured, and will be filed
                resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
        """
    )
    result = fork_run(*GIVEN)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED the leaderboard was not written: [[]Errno 27] File too large*"])
    result.assert_outcomes(passed=5)
    assert not [*(folder / "leaderboard").rglob("*.json")]
