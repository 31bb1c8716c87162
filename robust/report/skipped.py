"""The checks of a row that would have meant nothing there, by the reason: in a line, and in full for the page."""

from robust.records.trust import TrustReport

MOST = 3  # reasons in a line


def describe_skipped(trust: TrustReport) -> str:
    """Say how many checks do not apply, and why; their names where no reason is known, as in rows of older versions."""
    if not trust.why:
        return f"these do not apply: {', '.join(trust.skipped)}"
    reasons = [(reason, n) for reason, n in trust.reasons if reason]
    told = [f"{n} as {reason}" for reason, n in reasons[:MOST]]
    rest = len(trust.skipped) - sum(n for _, n in reasons[:MOST])
    told += [f"{rest} for other reasons, which the page lists"] * bool(rest)
    return f"{len(trust.skipped)} do not apply: {'; '.join(told)}"


def list_skipped(trust: TrustReport) -> list[str]:
    """List the checks that do not apply with the reason, a line for each: "the model is random: labels-win"."""
    names = {
        reason: [name for name in trust.skipped if trust.why.get(name, "") == reason] for reason, _ in trust.reasons
    }
    return [f"{reason or 'no reason is told'}: {', '.join(same)}" for reason, same in names.items()]
