"""noise-wins: random noise breaks samples that the attacks left standing."""

from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS
from robust.trust.indicators._shared import blind_wins

DRAWS = 20


@INDICATORS.register("noise-wins")
def noise_wins(trial: AttackProbe) -> Finding | None:
    """An attack that random noise beats is a sign of masked gradients (1802.00420, 1902.06705)."""
    return blind_wins(trial, "noise-wins", f"noise:steps={DRAWS}", f"{DRAWS} draws of random noise")
