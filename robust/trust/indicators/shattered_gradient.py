"""shattered-gradient: the gain of a small step along the gradient is not the gain that the gradient predicts."""

from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, any_criterion, costs
from robust.trust.gradients import STEP
from robust.trust.indicators._shared import count_linearity_passes, require_own_gradient
from robust.trust.significance import is_significant

MIN_RATIO, MAX_RATIO = 0.5, 2.0  # of gain over predicted gain; no sound network of the tests left this range
MAX_SHARE = 0.05  # of the samples, which lie at a kink: there the gradient is that of another piece


@INDICATORS.register("shattered-gradient")
@any_criterion
@costs(count_linearity_passes)
def shattered_gradient(probe: AttackProbe) -> Finding | None:
    """Check that the gradient predicts a small step within a factor of 2, at clean and at random inputs (1802.00420).

    A gradient that is valid only at a single point leads nowhere. NotApplicableError if the gradient is that of a
    float twin.
    """
    require_own_gradient(probe)
    for inputs, ratio in probe.linearity.items():
        count, n = int(((ratio < MIN_RATIO) | (ratio > MAX_RATIO)).sum()), len(ratio)
        if is_significant(count, n, MAX_SHARE):
            step = f"a step of {STEP:g} eps from {inputs} inputs"
            seen = f"the gradient mispredicts the gain of {step} by a factor of 2 or more for {count} of {n} samples"
            hint = "average it over a neighbourhood, or attack without it, as square does"
            grade = "broken" if 2 * count > n else "suspect"
            return Finding("shattered-gradient", grade, count / n, f"{seen}; expected none", hint)
    return None
