"""randomised: the model draws at random, and gradients that are means over draws find more."""

from robust.attacks.spec import Spec
from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS
from robust.trust.indicators._shared import significant, whole

SAMPLES, DRAWS = 64, 10
ATTACK = f"pgd:eot={DRAWS}:loss=margin:steps=10:stride=1:last=0.01"


@INDICATORS.register("randomised")
def randomised(trial: AttackProbe) -> Finding | None:
    """One draw's gradient is noise to the next: a mean over draws is what to follow (1707.07397, 1802.00420)."""
    _ = trial.white
    if not trial.draws:
        return None
    whole(trial)
    few = trial.first(SAMPLES)
    won, m = int(few.measure(ATTACK, few.standing).adversarial.sum()), len(few.samples)
    hint = f"take means over draws, as by pgd:eot={DRAWS}"
    if significant(won, m):
        told = f"the answers are drawn at random, and means over {DRAWS} draws broke {won} of {m} samples more"
        return Finding("randomised", "broken", won / m, f"{told}; expected none", hint)
    if any("eot" in dict(Spec.parse(word).options) for word in trial.white):
        return None
    told = "the same inputs are answered otherwise the second time; expected the same"
    return Finding("randomised", "suspect", None, told, hint)
