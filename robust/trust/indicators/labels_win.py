"""labels-win: a search by labels alone finds adversarial examples that the row's attacks missed."""

from robust.records.trust import Finding
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, costs
from robust.trust.chords import Chords
from robust.trust.indicators._shared import compare_gradient_free

QUERIES = 120  # of RayS
CHORDS = 20


@INDICATORS.register("labels-win")
@costs(
    lambda probe: (CHORDS + 1 + probe.cut(QUERIES) * _takes_rays(probe)) * probe.count_hardest() + probe.count_answers()
)
def labels_win(probe: AttackProbe) -> Finding | None:
    """Check that labels lead to nothing that attacks on the logits missed (2002.08347 on misleading losses).

    A logit that another network writes, a decoy class or members that vote lead every loss astray, with gradients or
    without; the label cannot. First along the chords to the nearest samples with another answer; then, for linf, by
    RayS (2006.12792).
    """
    if not probe.count_hardest():
        return None
    chords = Chords(probe.x, probe.answers.argmax(1), CHORDS)
    seen = f"moving along chords to {CHORDS + 1} samples of other classes"
    found = compare_gradient_free(probe, "labels-win", chords, seen)
    if found is not None or not _takes_rays(probe):
        return found
    queries = probe.cut(QUERIES)
    return compare_gradient_free(probe, "labels-win", f"rays:steps={queries}", f"rays with {queries} queries")


def _takes_rays(probe: AttackProbe) -> bool:
    return all(part.norm == "linf" for part in probe.threat.parts)
