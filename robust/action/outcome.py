"""What one run of pytest came to, as notes.py writes it in that process and the action reads it. No torch here."""

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
    """A test that failed, or what the session as a whole was failed for: then `test` is empty."""

    text: str
    test: str = ""  # its node id
    path: str = ""  # the file that it is about, from the working directory; "" where there is none
    line: int = 0  # in it; 0 where none is meant

    @property
    def kind(self) -> str:
        """The test's name without its parameters: "test_suite"."""
        return self.test.rpartition("::")[2].partition("[")[0]


@dataclass(frozen=True, slots=True)
class Line:
    """A row, the percentages that it had to keep, and what the run decided. None where there is no such floor."""

    record: Record
    floor: float | None
    clean_floor: float | None
    fail_on: FailOn = "figure"
    ruling: Ruling | None = None  # on the robust accuracy

    @property
    def row(self) -> Row:
        return boards([self.record])[0].rows[0]


@dataclass(frozen=True, slots=True)
class Outcome:
    """All of a run."""

    status: int  # pytest's exit status
    lines: list[Line] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)  # what is to be read beside the figures
    compared: dict[str, dict[str, Any]] = field(default_factory=dict)  # with a baseline: what is told, and its figures
    unsure: bool = False  # whether the decision on a floor was "inconclusive"

    @property
    def worst(self) -> Line | None:
        """The least robust row."""
        return min(self.lines, key=lambda line: float(line.record.robust.mean()), default=None)

    @property
    def regressed(self) -> bool | None:
        """Whether the model is worse than the baseline; None where nothing was compared."""
        return any(figures["ruling"] == "fails" for figures in self.compared.values()) if self.compared else None

    @property
    def doubtful(self) -> bool:
        """Whether it passed, and a figure does not settle its gate."""
        rulings = [figures["ruling"] for figures in self.compared.values()]
        return self.status == 0 and (self.unsure or "inconclusive" in rulings)

    @property
    def word(self) -> Word:
        """The outcome in one word."""
        return "failed" if self.status else "inconclusive" if self.doubtful else "passed"


def save(path: Path, outcome: Outcome) -> None:
    content = asdict(outcome) | {"lines": [_line(line) for line in outcome.lines]}
    path.write_text(json.dumps(content), "utf-8")


def load(path: Path, status: int) -> Outcome:
    """Of a run that ended with this status; ValueError where the file holds something else."""
    try:
        content = json.loads(path.read_text("utf-8"))
        lines = [Line(**{**each, "record": Record.from_json(each["record"])}) for each in content["lines"]]
        failures = [Failure(**each) for each in content["failures"]]
        told = list(content["warnings"]), dict(content["compared"]), bool(content["unsure"])
        return Outcome(status, lines, failures, *told)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not what a run notes: {type(error).__name__} {error}") from None


def _line(line: Line) -> dict[str, Any]:
    content = {field.name: getattr(line, field.name) for field in fields(line)}
    return content | {"record": line.record.to_json()}
