"""not-monotone: the attacks find more in half of the ball, or less in a ball of twice the size."""

from robust.attacks.threats.threat import Threat
from robust.flags import Flags
from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, any_criterion, costs
from robust.trust.indicators._shared import (
    choose_iterated,
    count_attack_passes,
    require_complete,
    require_deterministic,
)
from robust.trust.significance import is_significant

MAX_SAMPLES = 16
MAX_LOST = 0.02  # of the samples: adversarial in a ball, and by luck not in one of twice the size


@INDICATORS.register("not-monotone")
@any_criterion
@costs(lambda probe: count_attack_passes(probe) * len(probe.take_few(MAX_SAMPLES).samples))
def not_monotone(probe: AttackProbe) -> Finding | None:
    """Check that accuracy does not rise with the size of the ball, since the larger holds the smaller (1902.06705)."""
    require_complete(probe)
    require_deterministic(probe)
    probe, ball = probe.take_few(MAX_SAMPLES), probe.one_set
    attacks, m = choose_iterated(probe), len(probe.samples)
    half, double = ball.scale(0.5, probe.x[:1]), ball.scale(2, probe.x[:1])
    gained = int((probe.robust & ~_keep_robust(probe, attacks, probe.robust, half)).sum())
    # What only later stages of a suite break says nothing about these attacks.
    fallen = probe.correct & probe.adversarial
    fallen = fallen & ~_keep_robust(probe, attacks, fallen, ball)
    lost = int(_keep_robust(probe, attacks, fallen, double).sum())
    hint = "the attacks converge to poor inputs; use --robust-suite=full-1"
    if is_significant(gained, m):
        seen = f"within {half} {' and '.join(attacks)} found adversarial examples for {gained} of {m} samples"
        return Finding(
            "not-monotone", "broken", gained / m, f"{seen} that are robust within {ball}; expected none", hint
        )
    if is_significant(lost, m, MAX_LOST):
        message = f"within {double} {lost} of {m} samples are robust that are adversarial within {ball}; expected none"
        return Finding("not-monotone", "suspect", lost / m, message, hint)
    return None


def _keep_robust(probe: AttackProbe, attacks: tuple[str, ...], mask: Flags, threat: Threat) -> Flags:
    """Mark the samples of `mask` for which no attack finds an adversarial example within `threat`, (m,)."""
    for attack in attacks:
        mask = mask & ~probe.measure(attack, mask, threat).adversarial
    return mask
