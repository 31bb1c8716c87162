"""shattered-gradient: a small step along the gradient gains something else than the gradient promises."""

from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS
from robust.trust.gradients import STEP
from robust.trust.indicators._shared import significant

LEAST, MOST = 0.5, 2.0  # of what was promised; on the honest networks of the tests nothing left this range
AT_KINKS = 0.05  # of the samples: there the gradient is that of another piece


@INDICATORS.register("shattered-gradient")
def shattered_gradient(trial: AttackProbe) -> Finding | None:
    """A gradient that is right at one point only leads nowhere (1802.00420); at the clean inputs and at random ones."""
    for where, kept in trial.promises.items():
        wrong, n = int(((kept < LEAST) | (kept > MOST)).sum()), len(kept)
        if significant(wrong, n, AT_KINKS):
            step = f"a step of {STEP:g} eps from {where} inputs"
            told = f"the gradient misjudged what {step} gains for {wrong} of {n} samples"
            hint = "average it over a neighbourhood, or attack without it, as by square"
            grade = "broken" if 2 * wrong > n else "suspect"
            return Finding(
                "shattered-gradient", grade, wrong / n, f"{told} by a factor of 2 or more; expected none", hint
            )
    return None
