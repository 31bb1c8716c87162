"""Clean samples are answered with NaN or infinity."""

from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT
from robust.trust.model_probe import ModelProbe


@PREFLIGHT.register("not-finite")
def not_finite(look: ModelProbe) -> Finding | None:
    """One such answer is one too many: it is no answer, and an attack that meets it gets no gradient (1902.06705)."""
    count, n = int((~look.sound).sum()), len(look.samples)
    if not count:
        return None
    told = f"{count} of {n} clean samples are answered with NaN or infinity"
    hint = "look for a division by 0, a log of 0, or an overflow"
    return Finding("not-finite", "broken", count / n, told, hint)
