"""more-steps-pay: the row's attack finds more with twice the steps from other starts."""

from dataclasses import fields

from robust.attacks.factory import make
from robust.attacks.spec import Spec
from robust.records.trust import Finding
from robust.trust.attack_probe import MAX_ATTACKS, AttackProbe
from robust.trust.checks import INDICATORS, any_criterion, costs
from robust.trust.indicators._shared import OWN_ATTACKS, count_attack_passes, require_complete
from robust.trust.significance import is_significant

MAX_SAMPLES = 160
MAX_GRADIENTS = 8000  # a long attack is run on fewer samples
AFTER_ONE_STEP, STEPS = "pgd:steps=10", 10  # the longer form of an attack of a single step
ROUNDS = ("restarts", "starts", "targets", "odi")  # options that are removed: one round from another start is enough


@INDICATORS.register("more-steps-pay")
@any_criterion
@costs(lambda probe: count_attack_passes(probe, [_choose(probe)[0]]) * probe.take_first(MAX_SAMPLES).count_hardest())
def more_steps_pay(probe: AttackProbe) -> Finding | None:
    """Check that the row's attacks converged: more steps or restarts must gain nothing (1902.06705)."""
    require_complete(probe)
    attack, steps = _choose(probe)
    probe = probe.take_first(min(MAX_SAMPLES, MAX_GRADIENTS // steps))
    m = len(probe.samples)
    count = int(probe.find(attack, lambda found: is_significant(int(found.sum()), m), seed=1).sum())
    if not is_significant(count, m):
        return None
    seen = f"{attack} from other starts found adversarial examples for {count} of {m} samples"
    message = f"{seen} that the row's attacks left robust; expected none"
    hint = "take more steps or restarts, as --robust-suite=standard-1 does"
    return Finding("more-steps-pay", "suspect", count / m, message, hint, weak=True)


def _choose(probe: AttackProbe) -> tuple[str, int]:
    """Choose the longest of the row's first attacks; return it with twice its steps, and these."""
    attacks = probe.require_gradient_attacks()[:MAX_ATTACKS]
    return max((lengthen(probe, spec) for spec in attacks), key=lambda longer: longer[1])


def lengthen(probe: AttackProbe, text: str) -> tuple[str, int]:
    """Return (spec, steps) of the same attack with twice its steps; an attack without that option is unchanged."""
    spec = Spec.parse(text)
    for option in ROUNDS:
        spec = spec.without(option)
    attack = make(spec, probe.load)
    steps = getattr(attack, "steps", 1)
    inner = getattr(attack, "attack", attack)  # EOT wraps the attack that has the option
    if "steps" in (field.name for field in fields(inner)):  # type: ignore[arg-type]
        options = (*spec.without("steps").options, ("steps", 2 * steps))
        return str(Spec(spec.name, spec.args, tuple(sorted(options)))), 2 * steps
    return (AFTER_ONE_STEP, STEPS) if type(inner).__module__.startswith(OWN_ATTACKS) else (str(spec), steps)
