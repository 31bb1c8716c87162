"""The checks by name: a new one is one file, in preflight/, threat_checks/ or indicators/.

This module imports no torch, since the options ask it for names.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from robust.attacks.criteria.registry import DEFAULT, label_kind
from robust.attacks.registry import Registry
from robust.records.trust import Finding, NotApplicableError, Part, TimeUpError, TrustReport
from robust.user_code import describe_user_error

if TYPE_CHECKING:
    from robust.attacks.criteria.criterion import LabelKind
    from robust.trust.attack_probe import AttackProbe
    from robust.trust.model_probe import ModelProbe
    from robust.trust.threat_probe import ThreatProbe

MIN_SECONDS = 0.001  # of a check without passes, to be told
UNKNOWN = float("inf")  # passes, of a check that does not say how many it takes: it comes last

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
FUTILE = ("not-finite", "normalisation", "picture-order", "labels-permuted", "units", "guessing", "constant")


Check = TypeVar("Check", bound=Callable[..., Any])


def costs(passes: "Callable[[Any], float]") -> Callable[[Check], Check]:
    """Say how many passes of one sample a check takes if it finds nothing, given its probe; a backward counts as two.

    Checks that share what they measure name the same function.
    """

    def add(check: Check) -> Check:
        check.passes = passes  # type: ignore[attr-defined]
        return check

    return add


def for_labels(*kinds: "LabelKind") -> Callable[[Check], Check]:
    """Say for which kinds of labels a check, or a mitigation, is; without this it is for `class` alone."""

    def add(check: Check) -> Check:
        check.kinds = kinds  # type: ignore[attr-defined]
        return check

    return add


any_criterion = for_labels("class", "values", "bits", "map")


def suits(check: Any, criterion: str) -> bool:
    """Whether a check, or a mitigation, is for a criterion."""
    kinds = getattr(check, "kinds", None)
    return criterion == DEFAULT if kinds is None else label_kind(criterion) in kinds


def _concerns(check: Any, criterion: str) -> bool:
    """Whether a check is worth a word: one that is for other labels than classes is not, where there are classes."""
    return suits(check, criterion) or label_kind(criterion) != "class" or getattr(check, "kinds", None) is None


def load_checks(checks: Registry[Any]) -> None:
    """Import all checks of a registry, which may take seconds. One that cannot be imported says so when it is run."""
    for name in checks.names():
        with suppress(Exception):
            checks.get(name)


def examine(
    checks: Registry[Any],
    probe: Any,
    accepted: Iterable[str] = (),
    *,
    has_time: Callable[[float], bool] = lambda passes: True,
    watch: Callable[[str, float], None] = lambda name, share: None,
) -> TrustReport:
    """Run all checks of a registry on a probe, the cheapest first; a check that raises is a finding, too.

    `accepted` are names of findings that the user accepts; the report repeats those that occur. `has_time` tells
    whether so many passes fit into the time that is left: a check for which they do not is not started. `watch` is
    called before each check with its name, and the share of all that is done. Checks look at fewer samples where the
    probe's budget is too small for all: what one leaves goes to the next.
    """
    start, criterion = time.monotonic(), _criterion_of(probe)
    names = [name for name in checks.names() if _concerns(_get(checks, name), criterion)]
    found: dict[str, Finding | None] = {}
    parts: list[Part] = []
    why: dict[str, str] = {}
    not_run = set()
    by_cost = sorted((_count_passes(checks, name, probe), name) for name in names)
    total, done = sum(passes for passes, _ in by_cost if passes < UNKNOWN), 0.0
    for k, (expected, name) in enumerate(by_cost):
        watch(name, done / total if total else k / len(names))
        done += expected if expected < UNKNOWN else 0.0
        _plan(checks, [later for _, later in by_cost[k:]], probe)
        began, spent = time.monotonic(), _count_spent(probe)
        try:
            passes = _count_passes(checks, name, probe)  # anew: what others have measured costs nothing any more
            if passes and not has_time(passes if passes < UNKNOWN else 0.0):
                raise TimeUpError
            found[name] = _run_check(checks, name, probe)
        except NotApplicableError as error:
            why[name] = str(error)
        except TimeUpError:
            not_run.add(name)
        parts.append(Part(name, time.monotonic() - began, int(_count_spent(probe) - spent)))
    findings = tuple(finding for name in names if (finding := found.get(name)))
    occur = {finding.name for finding in findings}
    return TrustReport(
        findings,
        tuple(name for name in accepted if name in occur),
        checked=tuple(name for name in names if name in found),
        skipped=tuple(name for name in names if name in why),
        seconds=time.monotonic() - start,
        not_run=tuple(name for name in names if name in not_run),
        parts=tuple(part for part in parts if part.passes or part.seconds >= MIN_SECONDS),
        why={name: why[name] for name in names if why.get(name)},
    )


def _plan(checks: Registry[Any], names: list[str], probe: Any) -> None:
    """Set the budget of the probe, if it has one, for the checks that are left."""
    if (budget := getattr(probe, "budget", None)) is None:
        return
    budget.plan(0)
    passes = {getattr(_get(checks, name), "passes", None): _count_passes(checks, name, probe) for name in names}
    budget.plan(sum(count for count in passes.values() if count < UNKNOWN))


def _count_spent(probe: Any) -> float:
    budget = getattr(probe, "budget", None)
    return 0 if budget is None else budget.spent


def _get(checks: Registry[Any], name: str) -> Any:
    """Return a check; None if it cannot be imported: it says so when it is run."""
    with suppress(Exception):
        return checks.get(name)
    return None


def _count_passes(checks: Registry[Any], name: str, probe: Any) -> float:
    """Count the passes that a check takes at most; UNKNOWN if it does not say, and 0 if it will not be run."""
    try:
        if not suits(checks.get(name), _criterion_of(probe)):
            return 0.0
        count: Callable[[Any], float] | None = getattr(checks.get(name), "passes", None)
        return UNKNOWN if count is None else float(count(probe))  # of numpy, maybe
    except Exception:  # the check itself says what is wrong, or that it does not apply
        return 0.0


def _criterion_of(probe: Any) -> str:
    samples = getattr(probe, "samples", None)
    return getattr(samples, "criterion", DEFAULT)


def _run_check(checks: Registry[Any], name: str, probe: Any) -> Finding | None:
    try:
        if not suits(check := checks.get(name), _criterion_of(probe)):
            raise NotApplicableError("the check is for classes")
        finding: Finding | None = check(probe)
    except (NotApplicableError, TimeUpError):
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
        before.not_run + after.not_run,
        before.parts + after.parts,
        {**before.why, **after.why},
    )
