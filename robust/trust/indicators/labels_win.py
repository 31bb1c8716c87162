"""labels-win: a search by labels alone finds adversarial examples that the row's attacks missed."""

from robust.records.trust import Finding, NotApplicableError
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, costs
from robust.trust.indicators._shared import compare_gradient_free

QUERIES = 120


@INDICATORS.register("labels-win")
@costs(lambda probe: probe.cut(QUERIES) * probe.count_hardest())
def labels_win(probe: AttackProbe) -> Finding | None:
    """Check that RayS (2006.12792) finds nothing that attacks on the logits missed (2002.08347 on misleading losses).

    A logit that another network writes, a decoy class or members that vote lead every loss astray, with gradients or
    without; the label cannot. NotApplicableError for l2 and l1, for which RayS is not.
    """
    if any(part.norm != "linf" for part in probe.threat.parts):
        raise NotApplicableError("rays is for linf")
    queries = probe.cut(QUERIES)
    return compare_gradient_free(probe, "labels-win", f"rays:steps={queries}", f"rays with {queries} queries")
