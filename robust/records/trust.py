"""Findings that speak against a row, and the verdict that follows from all of them. No torch."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["trusted", "suspect", "broken"]
VERDICTS: tuple[Verdict, ...] = ("trusted", "suspect", "broken")  # from the best to the worst

MESSAGE_KEY = "told"  # of a finding, in JSON


class NotApplicableError(Exception):
    """Raised by a check that would mean nothing here; it is then reported as skipped."""


class TimeUpError(Exception):
    """Raised by a check that is out of time; it is then reported as not run."""


@dataclass(frozen=True)
class Finding:
    """A reason to doubt a row."""

    name: str  # of the check
    grade: str  # "suspect" or "broken": the verdict is at least this; "trusted": a note, that does not count
    value: float | None  # what was measured, if anything
    message: str  # one line: what was measured, and what was expected
    hint: str  # one line: what to do
    weak: bool = False  # only the row's attacks are at fault: an ordinary attack finds more


@dataclass(frozen=True)
class Part:
    """The cost of one check, or of the mitigations."""

    name: str
    seconds: float
    passes: int  # of one sample through the model; a backward pass counts as two


@dataclass(frozen=True)
class TrustReport:
    """The result of all checks of one row."""

    findings: tuple[Finding, ...]
    accepted: tuple[str, ...]  # names of findings that the user accepts: they are shown, and do not count
    checked: tuple[str, ...]  # names of the checks that were run
    skipped: tuple[str, ...]  # names of the checks that would have meant nothing here
    seconds: float
    not_run: tuple[str, ...] = ()  # names of what there was no time for: checks, "mitigations"
    parts: tuple[Part, ...] = ()  # the cost of each; rows of older versions have none
    why: Mapping[str, str] = field(default_factory=dict)  # of those skipped; rows of older versions have none

    @property
    def verdict(self) -> Verdict:
        """The worst grade of the findings that are not accepted."""
        return worst(finding for finding in self.findings if finding.name not in self.accepted)

    @property
    def outcome(self) -> tuple[object, ...]:
        """Return what two reports on the same must agree in: the findings, regardless of their values."""
        return self.checked, [(finding.name, finding.grade) for finding in self.findings], self.accepted

    @property
    def passes(self) -> int:
        """The passes of all parts."""
        return sum(part.passes for part in self.parts)

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """List (reason, checks that were skipped for it), the most frequent first; no reason is the last."""
        counted = Counter(self.why.get(name, "") for name in self.skipped)
        return sorted(counted.items(), key=lambda pair: (not pair[0], -pair[1]))

    @property
    def doubts(self) -> tuple[Finding, ...]:
        """The findings that are no mere notes."""
        return tuple(finding for finding in self.findings if finding.grade != "trusted")

    def has(self, name: str) -> bool:
        """Whether there is a finding of that name, accepted or not."""
        return any(finding.name == name for finding in self.findings)

    @property
    def noted(self) -> bool:
        """Whether the verdict says less than all checks would: a finding is a note, on one that could not be made."""
        return any(finding.grade == "trusted" for finding in self.findings)


def worst(findings: Iterable[Finding]) -> Verdict:
    """Return the worst grade of these findings; "trusted" if there are none."""
    grades = {finding.grade for finding in findings}
    return next((verdict for verdict in reversed(VERDICTS) if verdict in grades), "trusted")


def trust_to_json(report: TrustReport) -> dict[str, Any]:
    """Convert a report to JSON; the verdict is stated for the reader of the file, since it follows from the rest."""
    content: dict[str, Any] = {
        "verdict": report.verdict,
        "doubts": [_finding_to_json(finding) for finding in report.findings],
        "accepted": [*report.accepted],
        "checked": [*report.checked],
        "skipped": [*report.skipped],
        "seconds": round(report.seconds, 3),
    }
    if report.not_run:
        content["not_run"] = [*report.not_run]
    if report.parts:
        content["parts"] = [vars(part) | {"seconds": round(part.seconds, 3)} for part in report.parts]
    if report.why:
        content["why"] = dict(report.why)
    return content


def trust_from_json(content: dict[str, Any]) -> TrustReport:
    """Convert JSON to the report that it was made from."""
    findings = tuple(_finding_from_json(finding) for finding in content["doubts"])
    accepted, checked, skipped = (tuple(content[key]) for key in ("accepted", "checked", "skipped"))
    parts = tuple(Part(part["name"], part["seconds"], part["passes"]) for part in content.get("parts", ()))
    not_run = tuple(content.get("not_run", ()))
    why = content.get("why", {})
    return TrustReport(findings, accepted, checked, skipped, content["seconds"], not_run, parts, why)


def _finding_to_json(finding: Finding) -> dict[str, Any]:
    return {MESSAGE_KEY if key == "message" else key: value for key, value in vars(finding).items()}


def _finding_from_json(content: dict[str, Any]) -> Finding:
    keys = ("name", "grade", "value", "hint", "weak")
    return Finding(**{key: content[key] for key in keys}, message=content[MESSAGE_KEY])
