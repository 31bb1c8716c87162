"""Run the checks, and gather what they doubt."""

import time
from collections.abc import Iterable
from typing import Any

from robust.attacks.registry import Registry
from robust.records.trust import Doubt, NotApplicableError, Trust
from robust.user_code import blamed


def examine(checks: Registry[Any], on: Any, accepted: Iterable[str] = ()) -> Trust:
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
    return Trust(tuple(doubts), mine, tuple(checked), tuple(skipped), time.monotonic() - began)


def _ask(checks: Registry[Any], name: str, on: Any) -> Doubt | None:
    try:
        found: Doubt | None = checks.get(name)(on)
    except NotApplicableError:
        raise
    except Exception as error:
        told = f"the check {name} could not be run: {blamed(error)}"
        return Doubt(name, "suspect", None, told, "mend the model if it is at fault; else report it as a bug")
    return found


def together(before: Trust, after: Trust) -> Trust:
    """What two rounds of checks say of one row."""
    return Trust(
        before.doubts + after.doubts,
        before.accepted + after.accepted,
        before.checked + after.checked,
        before.skipped + after.skipped,
        before.seconds + after.seconds,
    )
