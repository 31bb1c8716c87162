"""Gates that the ini file or addopts name and that gate nothing, for the run has no model: the run ends with a line."""

import pytest

from robust.options import OPTIONS
from robust.settings.pytest_options import read_option

GATES = ("fail-under", "compare")


def list_waiting(config: pytest.Config) -> list[str]:
    """List the gates that are asked for, each as it is written there; also those whose values cannot be read."""
    return [
        f"--robust-{option.name}" if config.getoption(option.dest) is not None else option.dest
        for option in OPTIONS
        if option.name in GATES and _is_given(config, option.name)
    ]


def _is_given(config: pytest.Config, name: str) -> bool:
    try:
        return bool(read_option(config, name))
    except pytest.UsageError:
        return True


class WaitingGates:
    """The line at the end of a run, which is shown with -q, too; it is no warning, which -W error would let fail."""

    def __init__(self, waiting: list[str]) -> None:
        self._waiting = waiting

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        named = " and ".join(self._waiting)
        how = "name one, as --robust-model=net.py:make"
        terminalreporter.write_line(f"robust: no model was tested, so {named} gated nothing; {how}")
