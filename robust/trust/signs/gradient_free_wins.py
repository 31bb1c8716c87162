"""gradient-free-wins: random search breaks samples that the attacks left standing."""

from robust.trust.catalogue import SIGNS
from robust.trust.doubt import Doubt, NotApplicable
from robust.trust.signs._shared import beaten
from robust.trust.trial import Trial

SAMPLES, QUERIES = 160, 150


@SIGNS.register("gradient-free-wins")
def gradient_free_wins(trial: Trial) -> Doubt | None:
    """Where Square (1912.00049) finds more than the gradient does, that is masked (1902.06705, 2003.01690)."""
    if any(part.norm == "l1" for part in trial.threat.parts):
        raise NotApplicable("square is for linf and l2")
    won, m, too_many = beaten(trial.first(SAMPLES), f"square:steps={QUERIES}")
    if not too_many:
        return None
    told = f"square broke {won} of {m} samples in {QUERIES} queries, and the row's attacks did not; expected none"
    return Doubt("gradient-free-wins", "broken", won / m, told, "the gradients are masked; use --robust-suite=full-1")
