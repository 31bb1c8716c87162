"""margin-wins: an ordinary attack on the margin finds adversarial examples that the row's attacks missed."""

from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, any_criterion, costs
from robust.trust.indicators._shared import count_attack_passes, require_complete, require_free
from robust.trust.row_probe import ORDINARY
from robust.trust.significance import is_significant


@INDICATORS.register("margin-wins")
@any_criterion
@costs(lambda probe: count_attack_passes(probe, [ORDINARY]) * probe.count_hardest())
def margin_wins(probe: AttackProbe) -> Finding | None:
    """Check that PGD on the margin finds nothing that the row's attacks missed (Croce and Hein 2020, 2003.01690).

    The gradient of the cross-entropy may vanish, or lead to another class than the nearest, after any number of steps.
    """
    require_complete(probe)
    require_free(probe)
    probe.require_gradient_attacks()
    m = len(probe.samples)
    count = int(probe.find(ORDINARY, lambda found: is_significant(int(found.sum()), m), seed=1).sum())
    if not is_significant(count, m):
        return None
    seen = f"{ORDINARY} found adversarial examples for {count} of {m} samples that the row's attacks left robust"
    hint = "the row's attacks are weak; use --robust-suite=quick-1 or standard-1"
    return Finding("margin-wins", "suspect", count / m, f"{seen}; expected none", hint, weak=True)
