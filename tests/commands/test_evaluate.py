"""`robust evaluate`: the arguments that pytest is called with."""

import pytest

from robust.cli import main
from robust.commands.evaluate import QUIET
from robust.options import OPTIONS


def evaluated(monkeypatch, *argv):
    """Return the arguments that pytest is called with."""
    called = []
    monkeypatch.setattr(pytest, "main", lambda args, plugins: called.extend(args) or 0)
    assert main(["evaluate", *argv]) == 0
    return called


def test_evaluate_is_the_plugins_tests_by_shorter_names(monkeypatch):
    found = evaluated(
        monkeypatch, "a.py:make", "b.py:make", "--suite=quick-1", "--attack", "pgd", "--download", "--seed=3"
    )

    assert found[0] == "--robust-only"
    assert {*found[1 : -len(QUIET)]} == {
        "--robust-model=a.py:make",
        "--robust-model=b.py:make",
        "--robust-suite=quick-1",
        "--robust-attack=pgd",
        "--robust-download",
        "--robust-seed=3",
    }


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_evaluate_takes_every_option_of_the_plugin(option, monkeypatch):
    if option.name not in ("model", "only"):
        given = f"--{option.name}" if option.flag else f"--{option.name}=x"
        assert f"--robust-{given.removeprefix('--')}" in evaluated(monkeypatch, given)
        assert evaluated(monkeypatch, f"--robust-{given.removeprefix('--')}") == evaluated(monkeypatch, given)
