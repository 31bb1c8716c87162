"""single-step-wins: one step breaks samples that many steps do not."""

from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS
from robust.trust.indicators._shared import iterated, settled, significant, whole

MOST = 0.02  # of the samples; on honest networks up to 1 % fell to one step and, from their random start, not to many


@INDICATORS.register("single-step-wins")
def single_step_wins(trial: AttackProbe) -> Finding | None:
    """One step that does better than many is a sign of masked gradients (1802.00420), sample by sample."""
    whole(trial)
    settled(trial)
    words, left = iterated(trial), trial.measure("fgsm", trial.correct).adversarial
    for word in words:
        left = left & ~trial.measure(word, left).adversarial
    won, m = int(left.sum()), len(left)
    if not significant(won, m, MOST):
        return None
    fooled = significant(int((left & trial.standing).sum()), m)
    told = f"fgsm broke {won} of {m} samples that {' and '.join(words)} did not; expected none"
    hint = "steps along the gradient lead astray: it is masked; use --robust-suite=full-1"
    return Finding("single-step-wins", "broken" if fooled else "suspect", won / m, told, hint)
