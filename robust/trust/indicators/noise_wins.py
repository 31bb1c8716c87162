"""noise-wins: random noise finds adversarial examples that the row's attacks missed."""

from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, any_criterion, costs
from robust.trust.indicators._shared import compare_gradient_free

DRAWS = 20


@INDICATORS.register("noise-wins")
@any_criterion
@costs(lambda probe: DRAWS * probe.count_hardest())
def noise_wins(probe: AttackProbe) -> Finding | None:
    """Check that random noise finds nothing that the row's attacks missed (1802.00420, 1902.06705)."""
    return compare_gradient_free(probe, "noise-wins", f"noise:steps={DRAWS}", f"{DRAWS} draws of random noise")
