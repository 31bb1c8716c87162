"""nan-gradient: in some iteration of an attack the answer or its gradient was not finite."""

from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, any_criterion, costs
from robust.trust.indicators._shared import count_trace_passes


@INDICATORS.register("nan-gradient")
@any_criterion
@costs(count_trace_passes)
def nan_gradient(probe: AttackProbe) -> Finding | None:
    """Check that all answers and gradients are finite, since no attack can follow others (1802.00420; ART)."""
    for trace in probe.traces:
        k, n = trace.finite.shape
        counts = (~trace.finite).sum(1)
        count, worst = int(counts.max()), int(counts.argmax())
        if count:
            seen = f"gradient {worst + 1} of {k} of {trace.attack}, or the answer there, was not finite"
            message = f"{seen} for {count} of {n} samples; expected none"
            hint = "look for a division by 0, a root of 0 or an overflow in the model"
            return Finding("nan-gradient", "broken" if 2 * count > n else "suspect", count / n, message, hint)
    return None
