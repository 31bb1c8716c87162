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


WRONG = {
    "nothing": ([], "robust: name a command: board, list, train, "),
    "command": (["evalute", "net.py:make"], "robust: unknown command 'evalute', did you mean 'evaluate'?"),
    "option before the command": (["--colour", "list"], "robust: unknown option '--colour'"),
    "option": (["board", "--imprt=x"], "robust board: unknown option '--imprt', did you mean '--import'?"),
    "option of the plugin": (
        ["evaluate", "net.py:make", "--robust-sampels=3"],
        "robust evaluate: unknown option '--sampels', did you mean '--samples'?",
    ),
    "option of a recipe": (["train", "net.py:make", "--epochs=3"], "stand behind it, as --recipe=pgd-at:epochs=10"),
    "one word too many": (["list", "pgd", "fgsm"], "robust list: 'fgsm' is one word too many"),
    "no row": (["verify"], "robust verify: something is missing; write robust verify ROW"),
    "no folder": (["compress", "net.py:make"], "something is missing; write robust compress MODEL --out=DIR"),
    "no value": (["compress", "net.py:make", "--int8", "--out=packed"], "its value is missing; write --int8=KIND"),
    "no value, by two names": (
        ["certify", "net.py:make", "--method"],
        "--method: its value is missing; write --method",
    ),
    "a value of a flag": (["train", "net.py:make", "--download=yes"], "takes no value, got 'yes'; write --download"),
    "no whole number": (["train", "net.py:make", "--seed=x"], "train: --seed: expected a whole number, 0 or more, got"),
    "no count": (["tune", "net.py:make", "--trials=0"], "tune: --trials: expected a whole number, 1 or more, got '0'"),
    "two options": (["train", "net.py:make", "--re=3"], "ambiguous option: --re=3 could match --recipe, --report"),
    "no time": (["train", "net.py:make", "--wait=5"], "--wait: expected a time above 0, as 30s, 5m or 1h, got '5'"),
    "hostile": (["list", "--\x1b[2J" + "x" * 5000], "robust list: unknown option '--\\x1b[2Jx"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_in_what_was_asked_is_one_line_with_status_4(call, name):
    argv, message = WRONG[name]
    status, out, err = call(*argv)

    assert (status, out) == (4, "")
    assert err.startswith("robust")
    assert message in err
    assert err.count("\n") == 1
    assert "\x1b" not in err
    assert len(err) < 1100
