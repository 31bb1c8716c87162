"""randomised: the answers are random, and gradients averaged over draws find more."""

from robust.attacks.spec import Spec
from robust.models.answering import draws_of
from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, any_criterion, costs
from robust.trust.indicators._shared import require_complete
from robust.trust.significance import is_significant

MAX_SAMPLES, DRAWS = 64, 10
ATTACK = f"pgd:eot={DRAWS}:loss=margin:steps=10:stride=1:last=0.01"


@INDICATORS.register("randomised")
@any_criterion
@costs(lambda probe: probe.count_now())
def randomised(probe: AttackProbe) -> Finding | None:
    """Check that the answers are not random, or that PGD on their mean finds nothing more (1707.07397, 1802.00420).

    The gradient of one draw is noise to the next; an attack has to follow that of the mean.
    """
    attacks = probe.require_gradient_attacks()
    if not probe.randomised:
        return None
    require_complete(probe)
    few = probe.take_first(MAX_SAMPLES)
    count, m = int(few.measure(ATTACK, few.robust).adversarial.sum()), len(few.samples)
    hint = f"average gradients over draws, as pgd:eot={DRAWS} does"
    if is_significant(count, m):
        seen = f"the answers are random, and PGD on the mean of {DRAWS} draws found adversarial examples"
        message = f"{seen} for {count} of {m} samples that the row's attacks left robust; expected none"
        return Finding("randomised", "broken", count / m, message, hint)
    if draws_of(probe.module) or any("eot" in dict(Spec.parse(attack).options) for attack in attacks):
        return None
    message = "the same inputs get different answers the second time; expected the same"
    return Finding("randomised", "suspect", None, message, hint)
