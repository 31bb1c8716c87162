"""Findings that speak against a row, and the verdict that follows from all of them. No torch."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["trusted", "suspect", "broken"]
VERDICTS: tuple[Verdict, ...] = ("trusted", "suspect", "broken")  # from the best to the worst


class NotApplicableError(Exception):
    """Raised by a check that would mean nothing here; it is then reported as skipped."""


@dataclass(frozen=True)
class Finding:
    """A reason to doubt a row."""

    name: str  # of the check
    grade: str  # "suspect" or "broken": the verdict is at least this
    value: float | None  # what was measured, if anything
    message: str  # one line: what was measured, and what was expected
    hint: str  # one line: what to do
    weak: bool = False  # only the row's attacks are at fault: an ordinary attack finds more


@dataclass(frozen=True)
class TrustReport:
    """The result of all checks of one row."""

    doubts: tuple[Finding, ...]
    accepted: tuple[str, ...]  # names of findings that the user accepts: they are shown, and do not count
    checked: tuple[str, ...]  # names of the checks that were run
    skipped: tuple[str, ...]  # names of the checks that would have meant nothing here
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """The worst grade of the findings that are not accepted."""
        return worst(doubt for doubt in self.doubts if doubt.name not in self.accepted)


def worst(doubts: Iterable[Finding]) -> Verdict:
    """Return the worst grade of these findings; "trusted" if there are none."""
    grades = {doubt.grade for doubt in doubts}
    return next((verdict for verdict in reversed(VERDICTS) if verdict in grades), "trusted")


def trust_to_json(trust: TrustReport) -> dict[str, Any]:
    """Return the report as JSON can hold it; the verdict, which follows from the rest, is added for readers."""
    doubts = tuple(_finding_to_json(doubt) for doubt in trust.doubts)
    return {"verdict": trust.verdict, **asdict(trust), "doubts": doubts, "seconds": round(trust.seconds, 3)}


def trust_from_json(content: dict[str, Any]) -> TrustReport:
    """Make the report from its JSON; KeyError or TypeError if that is damaged."""
    doubts = tuple(_finding_from_json(**doubt) for doubt in content["doubts"])
    accepted, checked, skipped = (tuple(content[key]) for key in ("accepted", "checked", "skipped"))
    return TrustReport(doubts, accepted, checked, skipped, content["seconds"])


def _finding_to_json(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON can hold it; its message is called "told" there."""
    return {"told" if key == "message" else key: value for key, value in asdict(finding).items()}


def _finding_from_json(*, told: str, **fields: Any) -> Finding:
    return Finding(message=told, **fields)
