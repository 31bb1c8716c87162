"""A reason not to believe a number, and the verdict that follows from all of them. No torch here."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["trusted", "suspect", "broken"]
VERDICTS: tuple[Verdict, ...] = ("trusted", "suspect", "broken")  # from the best to the worst


class NotApplicableError(Exception):
    """What a check raises where it would mean nothing: it is then not told as one that was run."""


@dataclass(frozen=True)
class Finding:
    """What a check found. `name` is the check's."""

    name: str
    grade: str  # "suspect" or "broken": what the verdict becomes at least
    value: float | None  # what was measured; None where nothing could be
    told: str  # one line: what was measured, and what was expected
    hint: str  # one line: what to do
    weak: bool = False  # at fault are the row's attacks alone: an ordinary one sees what they do not


@dataclass(frozen=True)
class TrustReport:
    """What the checks say of one row."""

    doubts: tuple[Finding, ...]
    accepted: tuple[str, ...]  # of these the names that the user accepts; they count no more, and stay in sight
    checked: tuple[str, ...]  # the names of all checks that were run
    skipped: tuple[str, ...]  # of those that would have meant nothing here
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """The worst grade of what is not accepted."""
        return worst(doubt for doubt in self.doubts if doubt.name not in self.accepted)


def worst(doubts: Iterable[Finding]) -> Verdict:
    """The verdict where nothing else is known."""
    grades = {doubt.grade for doubt in doubts}
    return next((verdict for verdict in reversed(VERDICTS) if verdict in grades), "trusted")


def trust_to_json(trust: TrustReport) -> dict[str, Any]:
    """The verdict is stated for who reads the file; it follows from the rest."""
    return {"verdict": trust.verdict, **asdict(trust), "seconds": round(trust.seconds, 3)}


def trust_from_json(content: dict[str, Any]) -> TrustReport:
    doubts = tuple(Finding(**doubt) for doubt in content["doubts"])
    accepted, checked, skipped = (tuple(content[key]) for key in ("accepted", "checked", "skipped"))
    return TrustReport(doubts, accepted, checked, skipped, content["seconds"])
