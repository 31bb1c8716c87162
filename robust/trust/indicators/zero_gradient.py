"""zero-gradient: where an attack looked there was no gradient to follow."""

from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS
from robust.trust.indicators._shared import significant


@INDICATORS.register("zero-gradient")
def zero_gradient(trial: AttackProbe) -> Finding | None:
    """At the clean input and all along the way, by the attack's own loss (1802.00420; indicator 1 of 2106.09947)."""
    for way in trial.ways:
        looks, n = way.zero.shape
        counts = way.zero.sum(1)
        k, look = int(counts.max()), int(counts.argmax())
        if significant(k, n):
            told = f"at look {look + 1} of {looks} of {way.attack} the gradient was 0 for {k} of {n} samples"
            hint = "something stops the gradient, or the loss is saturated; try loss=sice, BPDA or square"
            return Finding("zero-gradient", "broken" if 2 * k > n else "suspect", k / n, f"{told}; expected none", hint)
    return None
