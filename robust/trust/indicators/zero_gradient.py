"""zero-gradient: in some iteration of an attack the gradient was 0."""

from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, any_criterion, costs
from robust.trust.indicators._shared import count_trace_passes
from robust.trust.significance import is_significant


@INDICATORS.register("zero-gradient")
@any_criterion
@costs(count_trace_passes)
def zero_gradient(probe: AttackProbe) -> Finding | None:
    """Check that each gradient of an attack's own loss is not 0, from the start on (1802.00420; 2106.09947)."""
    for trace in probe.traces:
        k, n = trace.zero.shape
        counts = trace.zero.sum(1)
        count, worst = int(counts.max()), int(counts.argmax())
        if is_significant(count, n):
            message = f"gradient {worst + 1} of {k} of {trace.attack} was 0 for {count} of {n} samples; expected none"
            hint = "look for an operation that blocks the gradient or saturates the loss; try loss=sice, BPDA or square"
            return Finding("zero-gradient", "broken" if 2 * count > n else "suspect", count / n, message, hint)
    return None
