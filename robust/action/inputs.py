"""The action's inputs, which come in the environment, and the arguments of pytest: a list that no shell sees."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from robust.options import OPTIONS, Option, spell_options

# The options of the plugin that are inputs by the same name; the others are given in `args`.
NAMES = (
    "model",
    "arch",
    "normalize",
    "output",
    "road",
    "run-code",
    "safe-globals",
    "data",
    "criterion",
    "attacked",
    "goal",
    "draws",
    "groups",
    "download",
    "threat",
    "attack",
    "queries",
    "suite",
    "certify",
    "curve",
    "eps",
    "time",
    "samples",
    "seed",
    "draw",
    "device",
    "fail-under",
    "fail-on",
    "verdict",
    "accept",
    "compare",
    "compare-fail",
)
ARGS, REPORT_DIR = "args", "report-dir"


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs that the workflow gives."""

    options: dict[str, list[str]]  # the plugin's options by name; one that is not given is left to the ini file
    args: list[str]  # more arguments
    report: Path

    @property
    def arguments(self) -> list[str]:
        """The arguments of pytest."""
        typed = {**self.options, "leaderboard": [str(self.report)]}
        return ["--robust-only", *spell_options(lambda option: typed.get(option.name)), *self.args]


def variable(name: str) -> str:
    """Return the name of the environment variable of an input.

    It is not ROBUST_DATA and so on, which have meanings of their own.
    """
    return f"INPUT_{name.upper().replace('-', '_')}"


def read_inputs(environment: Mapping[str, str]) -> Inputs:
    """Read the inputs; raise ValueError, in one line, if an input has several lines or another word than it may."""
    options = {option.name: _given(environment, option) for option in OPTIONS if option.name in NAMES}
    report = _one(REPORT_DIR, _lines(environment, REPORT_DIR)) or ["robust-report"]
    return Inputs({name: given for name, given in options.items() if given}, _lines(environment, ARGS), Path(report[0]))


def _given(environment: Mapping[str, str], option: Option) -> list[str]:
    lines = _lines(environment, option.name)
    if option.flag:
        return _switch(option.name, lines)
    return lines if option.many else _one(option.name, lines)


def _switch(name: str, lines: list[str]) -> list[str]:
    """Return the line if it says true; "false" leaves a flag to the ini file, as an input that is not given does."""
    word = "".join(_one(name, lines)).lower() or "false"
    if word not in ("true", "false"):
        raise ValueError(f"input {name}: expected true or false, got {word}")
    return lines * (word == "true")


def _one(name: str, lines: list[str]) -> list[str]:
    if len(lines) > 1:
        raise ValueError(f"input {name}: expected one line, got {len(lines)}: {' / '.join(lines)}")
    return lines


def _lines(environment: Mapping[str, str], name: str) -> list[str]:
    """Return the lines of an input that are not blank."""
    return [line.strip() for line in environment.get(variable(name), "").split("\n") if line.strip()]
