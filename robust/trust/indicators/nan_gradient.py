"""nan-gradient: where an attack looked the answer or its gradient was not finite."""

from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS


@INDICATORS.register("nan-gradient")
def nan_gradient(trial: AttackProbe) -> Finding | None:
    """An attack cannot follow NaN or infinity, in whatever coordinate (ART's gradient check; 1802.00420)."""
    for way in trial.ways:
        looks, n = way.finite.shape
        lost = (~way.finite).sum(1)
        k, look = int(lost.max()), int(lost.argmax())
        if k:
            what = "the answer or its gradient was not finite"
            told = f"at look {look + 1} of {looks} of {way.attack} {what} for {k} of {n} samples"
            hint = "look for a division by 0, a root of 0 or an overflow in the model"
            return Finding("nan-gradient", "broken" if 2 * k > n else "suspect", k / n, f"{told}; expected none", hint)
    return None
