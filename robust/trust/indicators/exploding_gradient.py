"""exploding-gradient: the gradient promises a hundred times as much as a small step along it gains."""

from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS
from robust.trust.gradients import STEP
from robust.trust.indicators._shared import significant

LEAST = 0.01  # of what was promised


@INDICATORS.register("exploding-gradient")
def exploding_gradient(trial: AttackProbe) -> Finding | None:
    """Such a gradient is that of something too fine to matter, or of a long recurrence (1802.00420)."""
    for where, kept in trial.promises.items():
        wrong, n = int((kept.abs() < LEAST).sum()), len(kept)
        if significant(wrong, n):
            step = f"a step of {STEP:g} eps from {where} inputs"
            told = f"{step} gained less than a hundredth of what the gradient promised for {wrong} of {n} samples"
            hint = "look for what is far steeper than it is high; attack without it, as by BPDA or square"
            grade = "broken" if 2 * wrong > n else "suspect"
            return Finding("exploding-gradient", grade, wrong / n, f"{told}; expected none", hint)
    return None
