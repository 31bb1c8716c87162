"""Doubts about gradients, settled by the attack with mitigations: it needs none of the gradients that are in doubt."""

from dataclasses import dataclass, replace

from robust.evaluation.measure import AttackResult
from robust.records.trust import Finding, TrustReport

TOLERANCE = 0.02  # of the samples: a stronger attack breaks so many on a sound model, too, as suites differ by

# Findings on how the attacks search. All others are of what the model or the figures are, or are evidence themselves.
SETTLED = frozenset(
    (
        "wrong-gradient",
        "zero-gradient",
        "shattered-gradient",
        "exploding-gradient",
        "unstable-predictions",
        "unbounded-attack-fails",
        "binarisation",
        "saturated",
        "saturated-loss",
        "no-gradient",
        "sets-seed",
    )
)

# Findings that another attack broke what the row's attacks left: if they are broken, more is known to fall.
OUTDONE = frozenset(
    (
        "gradient-free-wins",
        "hidden-logits-win",
        "labels-win",
        "noise-wins",
        "single-step-wins",
        "transfer-wins",
    )
)


@dataclass(frozen=True)
class Tried:
    """The attack with mitigations on samples that the row's attacks left robust."""

    names: tuple[str, ...]  # of the mitigations
    broken: int  # samples
    tried: int  # samples, the hardest first
    n: int  # samples of the row

    @classmethod
    def of(cls, found: AttackResult) -> "Tried":
        """Take it from the attack's result; the options of a row's mitigated attack say what was tried."""
        names, tried = tuple(found.options["mitigations"]), found.options["samples"]
        return cls(names, int(found.adversarial.sum()), tried, len(found.adversarial))

    @property
    def confirms(self) -> bool:
        """Whether more fell than a sound model loses to a stronger attack."""
        return self.broken > TOLERANCE * self.n

    def __str__(self) -> str:
        return f"an attack with {', '.join(self.names) or 'no mitigation'} broke {self.broken} of {self.tried} samples"


def needs_all(report: TrustReport) -> bool:
    """Whether a doubt that is settled is broken by its own evidence, so that a few samples do not dismiss it."""
    return _has_broken(report, SETTLED)


def is_outdone(report: TrustReport) -> bool:
    """Whether samples that the row's attacks left robust are known to fall."""
    return _has_broken(report, OUTDONE)


def _has_broken(report: TrustReport, names: frozenset[str]) -> bool:
    return any(finding.grade == "broken" and finding.name in names for finding in report.findings)


def settle(report: TrustReport, tried: Tried) -> TrustReport:
    """Make each doubt about gradients broken, with what fell, or a note, with what was tried."""
    return replace(report, findings=tuple(_settle(finding, tried) for finding in report.findings))


def _settle(finding: Finding, tried: Tried) -> Finding:
    if finding.name not in SETTLED or finding.weak or finding.grade == "trusted":
        return finding
    if tried.confirms:
        message = f"{finding.message}; {tried} that the row's attacks left robust"
        return replace(finding, grade="broken", message=message)
    hint = f"dismissed: {tried} that the row's attacks left robust; expected at most {100 * TOLERANCE:g} %"
    return replace(finding, grade="trusted", hint=hint)
