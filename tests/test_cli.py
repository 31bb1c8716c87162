"""The console script: version, help, and mistakes in its arguments."""

import pytest

import robust
from robust.cli import main


@pytest.fixture
def call(capsys):
    """A function that returns the exit status, output and errors of `robust` with these arguments."""
    return lambda *argv: (main([*argv]), *capsys.readouterr())


def test_version(call):
    assert call("--version") == (0, f"pytest-robust {robust.__version__}\n", "")


@pytest.mark.parametrize("argv", [["--help"], ["board", "--help"], ["train", "--help"], ["verify", "--help"]])
def test_help_is_no_mistake(call, argv):
    status, out, err = call(*argv)

    assert (status, err) == (0, "")
    assert out.startswith("usage: robust")


@pytest.mark.parametrize("argv", [[], ["bord"], ["board", "--colour"], ["list", "pgd", "fgsm"], ["verify"]], ids=str)
def test_a_mistake_in_what_was_asked_is_told_with_status_4(call, argv):
    status, out, err = call(*argv)

    assert (status, out) == (4, "")
    assert "error: " in err


@pytest.mark.parametrize("command", ["evaluate", "train"])
def test_a_time_to_wait_that_is_none_is_told(command, capsys):
    assert main([command, "net.py:make", "--wait=5"]) == 4
    assert "argument --wait: expected a time above 0, as 30s, 5m or 1h, got '5'" in capsys.readouterr().err
