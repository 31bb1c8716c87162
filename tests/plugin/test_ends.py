"""A model that ends the process, or pytest, has not passed its gate."""

import sys

import pytest

UNIX = pytest.mark.skipif(sys.platform == "win32", reason="a run is forked")
ENDS = """
import atexit, os, sys
import pytest
from net import make as whole

class Ends(type(whole())):
    end = staticmethod(lambda: None)
    where = "setup"

    def forward(self, x):
        if self.where == "setup" or f"::{self.where}[" in os.environ.get("PYTEST_CURRENT_TEST", ""):
            self.end()
        return super().forward(x)

def make(end, where):
    net = whole()
    net.__class__ = Ends
    Ends.where = where
    Ends.end = staticmethod({
        "os": lambda: os._exit(0),
        "sys": lambda: sys.exit(0),
        "pytest": lambda: pytest.exit("", 0),
        "atexit": lambda: atexit.register(os._exit, 0),
        "skip": lambda: pytest.skip("no"),
    }[end])
    return net
"""
GIVEN = ("--robust-samples=60", "--robust-attack=fgsm", "--robust-verdict=none", "--robust-leaderboard=none")


@UNIX
@pytest.mark.parametrize(("end", "told"), [("os", "os._exit(0)"), ("sys", "SystemExit: 0"), ("pytest", "Exit")])
def test_an_end_in_the_forward_pass_fails_its_test_in_one_line(fork_run, folder, end, told):
    (folder / "ends.py").write_text(ENDS)
    result = fork_run(f"--robust-model=ends.py:make(end={end!r},where='test_attack')", *GIVEN)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1, failed=1)
    assert told in result.stdout.str()
    result.stdout.no_fnmatch_line("*Traceback*")


@UNIX
def test_an_end_that_waits_for_the_process_does_not_change_its_status(fork_run, folder):
    (folder / "ends.py").write_text(ENDS)
    result = fork_run(
        "--robust-model=ends.py:make(end='atexit',where='test_attack')", *GIVEN, "--robust-fail-under=100"
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(("end", "told"), [("sys", "SystemExit: 0"), ("skip", "Skipped: no"), ("pytest", "Exit")])
def test_an_end_before_the_first_test_is_one_line(run, folder, end, told):
    (folder / "ends.py").write_text(ENDS)
    result = run(f"--robust-model=ends.py:make(end={end!r},where='setup')")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --robust-model=ends.py*{told}*"])


def test_a_run_that_is_ended_with_status_0_before_its_tests_fails(run, pytester, folder):
    pytester.makepyfile(test_own="import pytest\ndef test_own(): pytest.exit('enough', returncode=0)")
    pytester.makeconftest(
        "def pytest_collection_modifyitems(items): items.sort(key=lambda item: 'own' not in item.name)"
    )
    result = run("--robust-model=net.py:make", "test_own.py", "net.py")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*the run was ended with status 0 before 3 of its tests had run: net.py::test_clean*"])
