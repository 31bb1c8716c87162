"""From the action's inputs, which come in the environment, to the arguments of pytest: a list, that no shell sees."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from robust.options import OPTIONS, Option, spell_options

# The options of the plugin that are inputs by the same name; the others are given in `args`.
NAMES = (
    "model",
    "arch",
    "data",
    "threat",
    "suite",
    "samples",
    "fail-under",
    "fail-on",
    "compare",
    "compare-fail",
    "device",
    "run-code",
)
ARGS, REPORT_DIR = "args", "report-dir"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the workflow says."""

    options: dict[str, list[str]]  # the plugin's options by name; one that is not given is left to the ini file
    args: list[str]  # more arguments
    report: Path

    @property
    def arguments(self) -> list[str]:
        """What pytest is called with."""
        typed = {**self.options, "leaderboard": [str(self.report)]}
        return ["--robust-only", *spell_options(lambda option: typed.get(option.name)), *self.args]


def variable(name: str) -> str:
    """The name of the environment variable that an input comes in.

    Not ROBUST_DATA and so on, which have meanings of their own.
    """
    return f"INPUT_{name.upper().replace('-', '_')}"


def read_inputs(environment: Mapping[str, str]) -> Inputs:
    """ValueError, in one line, where an input that is one value has several lines."""
    options = {option.name: _given(environment, option) for option in OPTIONS if option.name in NAMES}
    report = _one(REPORT_DIR, _lines(environment, REPORT_DIR)) or ["robust-report"]
    return Inputs({name: given for name, given in options.items() if given}, _lines(environment, ARGS), Path(report[0]))


def _given(environment: Mapping[str, str], option: Option) -> list[str]:
    lines = _lines(environment, option.name)
    return lines if option.many else _one(option.name, lines)


def _one(name: str, lines: list[str]) -> list[str]:
    if len(lines) > 1:
        raise ValueError(f"input {name}: expected one line, got {len(lines)}: {' / '.join(lines)}")
    return lines


def _lines(environment: Mapping[str, str], name: str) -> list[str]:
    """The lines of an input that are not blank."""
    return [line.strip() for line in environment.get(variable(name), "").split("\n") if line.strip()]
