"""exploding-gradient: the gradient predicts a hundred times the gain of a small step along it."""

from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, any_criterion, costs
from robust.trust.gradients import STEP
from robust.trust.indicators._shared import count_linearity_passes, require_own_gradient
from robust.trust.significance import is_significant

MIN_GAIN = 0.01  # of the predicted gain


@INDICATORS.register("exploding-gradient")
@any_criterion
@costs(count_linearity_passes)
def exploding_gradient(probe: AttackProbe) -> Finding | None:
    """Check that a small step along the gradient gains at least 1 % of the prediction (1802.00420).

    It gains less on a pattern that is too fine to matter, or in a long recurrence. NotApplicableError if the gradient
    is that of a float twin.
    """
    require_own_gradient(probe)
    for inputs, ratio in probe.linearity.items():
        count, n = int((ratio.abs() < MIN_GAIN).sum()), len(ratio)
        if is_significant(count, n):
            step = f"a step of {STEP:g} eps from {inputs} inputs"
            message = f"{step} gained less than 1 % of what the gradient predicts for {count} of {n} samples"
            hint = "look for a pattern that is much steeper than high; attack without its gradient, with BPDA or square"
            grade = "broken" if 2 * count > n else "suspect"
            return Finding("exploding-gradient", grade, count / n, f"{message}; expected none", hint)
    return None
