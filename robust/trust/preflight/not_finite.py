"""not-finite: the model answers clean samples with NaN or infinity."""

from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT, any_criterion, costs
from robust.trust.model_probe import ModelProbe


@PREFLIGHT.register("not-finite")
@any_criterion
@costs(lambda probe: probe.count_passes("logits"))
def not_finite(probe: ModelProbe) -> Finding | None:
    """Check that all clean logits are finite (1902.06705): any other has no class, and no gradient to follow."""
    count, n = int((~probe.finite).sum()), len(probe.samples)
    if not count:
        return None
    message = f"{count} of {n} clean samples are answered with NaN or infinity; expected none"
    hint = "look for a division by 0, a logarithm of 0, or an overflow"
    return Finding("not-finite", "broken", count / n, message, hint)
