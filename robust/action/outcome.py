"""The outcome of one run of pytest, as pytest_plugin.py writes it in that process and the action reads it. No torch."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from robust.gates import FailOn, Ruling
from robust.records.record import Record
from robust.report.board import Row, boards

Word = Literal["passed", "inconclusive", "failed"]


@dataclass(frozen=True, slots=True)
class Failure:
    """A test that failed, or a reason why the session as a whole failed: then `test` is empty."""

    text: str
    test: str = ""  # its node id
    path: str = ""  # its file, relative to the working directory; "" if there is none
    line: int = 0  # in the file; 0 for none

    @property
    def kind(self) -> str:
        """The test's name without its parameters: "test_suite"."""
        return self.test.rpartition("::")[2].partition("[")[0]


@dataclass(frozen=True, slots=True)
class Weakest:
    """The weakest class or group of a row, and what the run decided. None where there is no such floor."""

    part: Literal["class", "group"]
    name: str
    n: int
    correct: int
    robust: int
    of: int  # the classes or groups that have samples
    floor: float | None = None
    ruling: Ruling | None = None  # on all that count: on another than this, if it has too few samples


@dataclass(frozen=True, slots=True)
class Line:
    """A row, the percentages that it had to keep, and what the run decided. None where there is no such floor."""

    record: Record
    floor: float | None
    clean_floor: float | None
    fail_on: FailOn = "figure"
    ruling: Ruling | None = None  # on the robust accuracy
    weakest: list[Weakest] = field(default_factory=list)

    @property
    def row(self) -> Row:
        return boards([self.record])[0].rows[0]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a run."""

    status: int  # pytest's exit status
    lines: list[Line] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)  # to be read beside the figures
    compared: dict[str, dict[str, Any]] = field(
        default_factory=dict
    )  # comparisons with a baseline: a line and its figures
    unsure: bool = False  # whether the decision on a floor was "inconclusive"

    @property
    def worst(self) -> Line | None:
        """The least robust row; None if there is none."""
        return min(self.lines, key=lambda line: float(line.record.robust.mean()), default=None)

    @property
    def regressed(self) -> bool | None:
        """Whether the model is worse than the baseline; None if nothing was compared."""
        return any(figures["ruling"] == "fails" for figures in self.compared.values()) if self.compared else None

    @property
    def doubtful(self) -> bool:
        """Whether the run passed, and a figure does not settle its gate."""
        rulings = [figures["ruling"] for figures in self.compared.values()]
        return self.status == 0 and (self.unsure or "inconclusive" in rulings)

    @property
    def word(self) -> Word:
        """The outcome in one word."""
        return "failed" if self.status else "inconclusive" if self.doubtful else "passed"


def save(path: Path, outcome: Outcome) -> None:
    """Write an outcome to a file, but for its status."""
    content = asdict(outcome) | {"lines": [_line(line) for line in outcome.lines]}
    path.write_text(json.dumps(content), "utf-8")


def load(path: Path, status: int) -> Outcome:
    """Read the outcome of a run that ended with this status; raise ValueError if the file holds something else."""
    try:
        content = json.loads(path.read_text("utf-8"))
        lines = [_read_line(line) for line in content["lines"]]
        failures = [Failure(**failure) for failure in content["failures"]]
        warnings, compared = list(content["warnings"]), dict(content["compared"])
        return Outcome(status, lines, failures, warnings, compared, bool(content["unsure"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not what a run notes: {type(error).__name__} {error}") from None


def _line(line: Line) -> dict[str, Any]:
    content = {field.name: getattr(line, field.name) for field in fields(line)}
    return content | {"record": line.record.to_json(), "weakest": [asdict(weakest) for weakest in line.weakest]}


def _read_line(content: dict[str, Any]) -> Line:
    record, weakest = Record.from_json(content["record"]), [Weakest(**given) for given in content["weakest"]]
    return Line(**{**content, "record": record, "weakest": weakest})
