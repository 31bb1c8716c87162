"""The checks by name: a new one is one file, in preflight/ or in signs/. No torch here: the options ask for names."""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from robust.attacks.registry import Registry
from robust.records.trust import Finding, NotApplicableError, TrustReport
from robust.user_code import describe_user_error

if TYPE_CHECKING:
    from robust.trust.attack_probe import AttackProbe
    from robust.trust.model_probe import ModelProbe

# What is wrong with a model, before anything attacks it.
PREFLIGHT: "Registry[Callable[[ModelProbe], Finding | None]]" = Registry(
    "preflight check", ("robust.trust.preflight",), "robust.preflight"
)
# Indicators that the attacks fooled themselves (Pintor et al. 2022, 2106.09947).
INDICATORS: "Registry[Callable[[AttackProbe], Finding | None]]" = Registry(
    "indicator", ("robust.trust.indicators",), "robust.indicators"
)


def examine(checks: Registry[Any], on: Any, accepted: Iterable[str] = ()) -> TrustReport:
    """Every check of a registry on a Look or a Trial; one that fails is a doubt too, and not passed over."""
    began, doubts, checked, skipped = time.monotonic(), [], [], []
    for name in checks.names():
        try:
            doubt = _ask(checks, name, on)
        except NotApplicableError:
            skipped.append(name)
        else:
            checked.append(name)
            doubts += [doubt] if doubt else []
    mine = tuple(name for name in accepted if name in {doubt.name for doubt in doubts})
    return TrustReport(tuple(doubts), mine, tuple(checked), tuple(skipped), time.monotonic() - began)


def _ask(checks: Registry[Any], name: str, on: Any) -> Finding | None:
    try:
        found: Finding | None = checks.get(name)(on)
    except NotApplicableError:
        raise
    except Exception as error:
        told = f"the check {name} could not be run: {describe_user_error(error)}"
        return Finding(name, "suspect", None, told, "mend the model if it is at fault; else report it as a bug")
    return found


def join_reports(before: TrustReport, after: TrustReport) -> TrustReport:
    """What two rounds of checks say of one row."""
    return TrustReport(
        before.doubts + after.doubts,
        before.accepted + after.accepted,
        before.checked + after.checked,
        before.skipped + after.skipped,
        before.seconds + after.seconds,
    )
