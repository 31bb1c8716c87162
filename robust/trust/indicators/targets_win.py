"""targets-win: aiming at one class after the other finds adversarial examples that the row's attacks missed."""

from robust.attacks.spec import Spec
from robust.flags import Flags
from robust.records.trust import Finding, NotApplicableError
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, costs
from robust.trust.hardest import count_first
from robust.trust.indicators._shared import require_complete, require_deterministic, require_free
from robust.trust.mitigated_attack import AIMED_STEPS, count_targets
from robust.trust.pass_share import GRADIENT_PASSES
from robust.trust.row_probe import ORDINARY
from robust.trust.significance import is_significant

MAX_SHARE = 0.2  # of the passes of all checks
LUCK = 0.02  # of the samples: on 75 of 76 sound networks it broke not significantly more beyond an ordinary attack


def count_planned(probe: AttackProbe) -> float:
    """Count the passes of the ascents; 0 where all of them would take too much of what the checks may take."""
    each = GRADIENT_PASSES * AIMED_STEPS * count_targets(probe.classes)
    if not probe.count_hardest() or each * count_first(int(probe.robust.sum())) > MAX_SHARE * probe.budget.total:
        return 0
    return (GRADIENT_PASSES * probe.cut(AIMED_STEPS) + 1) * count_targets(probe.classes) * probe.count_hardest()


@INDICATORS.register("targets-win")
@costs(count_planned)
def targets_win(probe: AttackProbe) -> Finding | None:
    """Check that no ascent to a class of its own finds what the row's attacks missed (2002.08347, 2003.01690).

    The logit next to the label may be a decoy, which comes near and never wins: every loss that takes the nearest class
    climbs it. Samples that an ordinary attack breaks do not count: see margin-wins. NotApplicableError for two classes,
    where the row's attacks aim at as many classes, and where it would take too many passes.
    """
    require_complete(probe)
    require_free(probe)
    require_deterministic(probe)
    probe.require_gradient_attacks()
    if not probe.count_hardest():
        return None
    targets, m = count_targets(probe.classes), len(probe.samples)
    if not count_planned(probe):
        raise NotApplicableError("an ascent to each class would take most of what the checks of so few samples may")
    if targets < 2 or _count_aims(probe) >= targets:
        raise NotApplicableError("the row's attacks aim at each class, or there is one wrong class alone")

    def count_missed(found: Flags) -> int:
        """Return how many of them an ordinary attack misses; 0 if they are too few in any case."""
        enough = is_significant(int(found.sum()), m, LUCK)
        return int((found & ~probe.find_ordinary(found)).sum()) if enough else 0

    aimed = f"pgd:loss=margin:steps={probe.cut(AIMED_STEPS)}:stride=1:last=0.01:targets={targets}"
    count = count_missed(probe.find(aimed, lambda found: is_significant(count_missed(found), m, LUCK)))
    if not is_significant(count, m, LUCK):
        return None
    seen = f"PGD to each of {targets} classes found adversarial examples for {count} of {m} samples"
    message = f"{seen} that the row's attacks and {ORDINARY} left robust; expected at most {100 * LUCK:g} %"
    hint = (
        f"the class that looks nearest misleads; use --robust-suite=standard-1, or add :targets={targets} to an attack"
    )
    return Finding("targets-win", "suspect", count / m, message, hint, weak=True)


def _count_aims(probe: AttackProbe) -> int:
    options = (dict(Spec.parse(attack).options) for attack in probe.attacks)
    return max((int(given["targets"]) for given in options if "targets" in given), default=1)
