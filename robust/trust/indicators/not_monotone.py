"""not-monotone: half of the ball gives the attacks more than all of it, or twice the ball less."""

from dataclasses import replace

from robust.attacks.threats.lp import LpThreat
from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS
from robust.trust.indicators._shared import iterated, settled, significant, whole

SAMPLES = 128
MOST = 0.02  # of the samples: what may fall in a ball and by luck not in one of twice its size


@INDICATORS.register("not-monotone")
def not_monotone(trial: AttackProbe) -> Finding | None:
    """A larger ball holds the smaller one, so accuracy must not rise with it (1902.06705)."""
    whole(trial)
    settled(trial)
    trial, ball = trial.first(SAMPLES), trial.ball
    words, m = iterated(trial), len(trial.samples)
    widest = LpThreat.widest(ball.norm, trial.x[:1], ball.lo, ball.hi)
    half, twice = replace(ball, eps=ball.eps / 2), replace(ball, eps=min(2 * ball.eps, widest.eps))
    left = trial.standing
    for word in words:
        left = left & ~trial.measure(word, left, half).adversarial
    lost = trial.correct & trial.adversarial
    for word in words:
        lost = lost & ~trial.measure(word, lost, twice).adversarial
    won, kept = int((trial.standing & ~left).sum()), int(lost.sum())
    hint = "the attacks are led astray: use --robust-suite=full-1"
    if significant(won, m):
        told = f"within {half} {' and '.join(words)} broke {won} of {m} samples that stood within {ball}; expected none"
        return Finding("not-monotone", "broken", won / m, told, hint)
    if significant(kept, m, MOST):
        told = f"within {twice} {kept} of {m} samples stood that fell within {ball}; expected none"
        return Finding("not-monotone", "suspect", kept / m, told, hint)
    return None
