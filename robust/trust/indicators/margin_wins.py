"""margin-wins: an ordinary attack on the margin breaks what the row's attacks leave: they are weak."""

from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS
from robust.trust.indicators._shared import ORDINARY, significant, whole


@INDICATORS.register("margin-wins")
def margin_wins(trial: AttackProbe) -> Finding | None:
    """Cross-entropy may lead elsewhere than to the nearest class, however many steps it takes (Croce and Hein 2020,
    2003.01690, on its vanishing gradient)."""
    whole(trial)
    _ = trial.white
    won, m = int(trial.measure(ORDINARY, trial.standing, seed=1).adversarial.sum()), len(trial.samples)
    if not significant(won, m):
        return None
    told = f"{ORDINARY} broke {won} of {m} samples that the row's attacks left; expected none"
    hint = "the row's attacks are weak; use --robust-suite=quick-1 or standard-1"
    return Finding("margin-wins", "suspect", won / m, told, hint, weak=True)
