"""gradient-free-wins: random search breaks samples that the attacks left standing."""

from robust.records.trust import Finding, NotApplicableError
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS
from robust.trust.indicators._shared import blind_wins

SAMPLES, QUERIES = 160, 150


@INDICATORS.register("gradient-free-wins")
def gradient_free_wins(trial: AttackProbe) -> Finding | None:
    """Where Square (1912.00049) finds more than the gradient does, that is masked (1902.06705, 2003.01690)."""
    if any(part.norm == "l1" for part in trial.threat.parts):
        raise NotApplicableError("square is for linf and l2")
    attack = f"square:steps={QUERIES}"
    return blind_wins(trial.first(SAMPLES), "gradient-free-wins", attack, f"square in {QUERIES} queries")
