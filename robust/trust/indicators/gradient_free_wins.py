"""gradient-free-wins: random search finds adversarial examples that the row's attacks missed."""

from robust.attacks.grammar.features import FEATURES
from robust.attacks.grammar.patch import PATCH
from robust.attacks.grammar.pixels import PIXELS
from robust.attacks.grammar.product import PRODUCT
from robust.attacks.grammar.spatial import SPATIAL
from robust.records.trust import Finding, NotApplicableError
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, any_criterion, costs
from robust.trust.indicators._shared import compare_gradient_free

MAX_SAMPLES, QUERIES = 160, 100


@INDICATORS.register("gradient-free-wins")
@any_criterion
@costs(lambda probe: probe.cut(QUERIES) * probe.count_hardest())
def gradient_free_wins(probe: AttackProbe) -> Finding | None:
    """Check that Square (1912.00049) finds nothing that gradient attacks missed (1902.06705, 2003.01690).

    Square finds more if the gradient is masked; for a table it is evolve, and for several inputs search.
    NotApplicableError for l1, which Square does not support, for patches and pixels, and for turns of an image.
    """
    families = {part.norm for part in probe.threat.parts}
    if "l1" in families:
        raise NotApplicableError("square is for linf and l2")
    if families & {PATCH, PIXELS, SPATIAL}:
        raise NotApplicableError("random search finds more than gradients do there, of honest models, too (2006.12834)")
    own = {FEATURES: "evolve", PRODUCT: "search"}
    search = own.get(next(iter(families)), "square") if len(families) == 1 else "square"
    queries = probe.cut(QUERIES)
    attack, description = f"{search}:steps={queries}", f"{search} with {queries} queries"
    return compare_gradient_free(probe.take_first(MAX_SAMPLES), "gradient-free-wins", attack, description)
