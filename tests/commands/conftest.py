"""A command as tests call it."""

import pytest

from robust.cli import main


@pytest.fixture
def call(capsys):
    """A function that returns the exit status, output and errors of `robust` with these arguments."""
    return lambda *argv: (main([str(argument) for argument in argv]), *capsys.readouterr())
