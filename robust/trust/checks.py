"""The checks by name: a new one is one file, in preflight/, threat_checks/ or indicators/.

This module imports no torch, since the options ask it for names.
"""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from robust.attacks.registry import Registry
from robust.records.trust import Finding, NotApplicableError, TrustReport
from robust.user_code import describe_user_error

if TYPE_CHECKING:
    from robust.trust.attack_probe import AttackProbe
    from robust.trust.model_probe import ModelProbe
    from robust.trust.threat_probe import ThreatProbe

# Faults of a model, before it is attacked.
PREFLIGHT: "Registry[Callable[[ModelProbe], Finding | None]]" = Registry(
    "preflight check", ("robust.trust.preflight",), "robust.preflight"
)
# Faults of a threat model, given the data that it is for.
THREAT_CHECKS: "Registry[Callable[[ThreatProbe], Finding | None]]" = Registry(
    "threat check", ("robust.trust.threat_checks",), "robust.threat_checks"
)
# Indicators that the attacks failed for reasons of their own (Pintor et al. 2022, 2106.09947).
INDICATORS: "Registry[Callable[[AttackProbe], Finding | None]]" = Registry(
    "indicator", ("robust.trust.indicators",), "robust.indicators"
)

# The preflight checks after whose finding, if it is broken, no attack could tell anything of the model, so that none is
# run; the cause comes before what it leads to.
FUTILE = ("not-finite", "normalisation", "picture-order", "labels-permuted", "guessing")


def examine(checks: Registry[Any], probe: Any, accepted: Iterable[str] = ()) -> TrustReport:
    """Run all checks of a registry on a probe; a check that raises is a finding, too.

    `accepted` are names of findings that the user accepts; the report repeats those that occur.
    """
    start, findings, checked, skipped = time.monotonic(), [], [], []
    for name in checks.names():
        try:
            finding = _run_check(checks, name, probe)
        except NotApplicableError:
            skipped.append(name)
        else:
            checked.append(name)
            findings += [finding] if finding else []
    found = {finding.name for finding in findings}
    accepted_found = tuple(name for name in accepted if name in found)
    return TrustReport(tuple(findings), accepted_found, tuple(checked), tuple(skipped), time.monotonic() - start)


def _run_check(checks: Registry[Any], name: str, probe: Any) -> Finding | None:
    try:
        finding: Finding | None = checks.get(name)(probe)
    except NotApplicableError:
        raise
    except Exception as error:
        message = f"the check {name} could not be run: {describe_user_error(error)}"
        return Finding(name, "suspect", None, message, "repair the model if it is at fault; else report a bug")
    return finding


def find_futile(report: TrustReport) -> list[Finding]:
    """Return the findings that make every attack on the model futile, without those that the user accepts."""
    broken = {f.name: f for f in report.findings if f.grade == "broken" and f.name not in report.accepted}
    return [broken[name] for name in FUTILE if name in broken]


def join_reports(before: TrustReport, after: TrustReport) -> TrustReport:
    """Join the reports of two rounds of checks of one row."""
    return TrustReport(
        before.findings + after.findings,
        before.accepted + after.accepted,
        before.checked + after.checked,
        before.skipped + after.skipped,
        before.seconds + after.seconds,
    )
