"""unbounded-attack-fails: an attack that may change the input at will does not fool the model."""

from robust.attacks.threats.lp import LpThreat
from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS
from robust.trust.indicators._shared import significant

SAMPLES, ATTACK = 64, "pgd:loss=margin:start=0:steps=40:stride=0.1"


@INDICATORS.register("unbounded-attack-fails")
def unbounded_attack_fails(trial: AttackProbe) -> Finding | None:
    """Without a bound accuracy must come to 0 (1802.00420; indicator 6 of 2106.09947)."""
    few, ball = trial.first_standing(SAMPLES), trial.ball
    _ = trial.white
    widest = LpThreat.widest(ball.norm, trial.x[:1], ball.lo, ball.hi)
    left, n = int((few & ~trial.measure(ATTACK, few, widest).adversarial).sum()), int(few.sum())
    if not significant(left, n):
        return None
    told = f"with no bound on the perturbation {left} of {n} samples still stood; expected none"
    hint = "the gradient leads nowhere: it is masked; attack it without, as by square"
    return Finding("unbounded-attack-fails", "broken" if 2 * left > n else "suspect", left / n, told, hint)
