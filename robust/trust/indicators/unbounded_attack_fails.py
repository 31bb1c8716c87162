"""unbounded-attack-fails: an attack without a bound on the perturbation finds no adversarial example."""

import math

from robust.attacks.threats.product import Product
from robust.records.trust import Finding, NotApplicableError
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, costs, for_labels
from robust.trust.indicators._shared import count_attack_passes
from robust.trust.significance import is_significant

MAX_SAMPLES, ATTACK = 24, "pgd:loss=margin:start=0:steps=40:stride=0.1"
FASTER = 4  # a sample falls long before the last step, as a rule


@INDICATORS.register("unbounded-attack-fails")
@for_labels("class", "bits")
@costs(lambda probe: count_attack_passes(probe, [ATTACK]) / FASTER * probe.first_robust(MAX_SAMPLES).sum())
def unbounded_attack_fails(probe: AttackProbe) -> Finding | None:
    """Check that no sample is robust in the whole box (1802.00420; indicator 6 of 2106.09947).

    NotApplicableError where one of several inputs is fixed: it may decide alone.
    """
    if isinstance(probe.threat, Product) and not probe.threat.moving.all():
        raise NotApplicableError("a part of the input is fixed")
    mask = probe.first_robust(MAX_SAMPLES)
    probe.require_gradient_attacks()
    widest = probe.one_set.scale(math.inf, probe.x[:1])
    count, n = int((mask & ~probe.measure(ATTACK, mask, widest).adversarial).sum()), int(mask.sum())
    if not is_significant(count, n):
        return None
    message = f"without a bound on the perturbation {count} of {n} samples are robust; expected none"
    hint = "the gradient is masked and leads nowhere; attack without it, as square does"
    grade = "broken" if 2 * count > n else "suspect"
    return Finding("unbounded-attack-fails", grade, count / n, message, hint)
