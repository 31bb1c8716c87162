"""Attacks on a model that passes no gradient: queries in place of the attacks that follow a gradient.

Of a quantised model for every threat model; of a black box under a table, a patch, pixels or turns of an image, whose
suites search by queries. A model that answers with labels alone has no margin for square to follow, and is attacked by
decision in its place.
"""

from dataclasses import replace

from robust.attacks.grammar.features import FEATURES
from robust.attacks.grammar.patch import PATCH
from robust.attacks.grammar.pixels import PIXELS
from robust.attacks.grammar.product import PRODUCT
from robust.attacks.grammar.spatial import SPATIAL
from robust.attacks.spec import Spec
from robust.attacks.suite import Stage, Suite
from robust.attacks.words import families_of
from robust.settings.queries import QUERIES, spend
from robust.trust.row_probe import follows_gradient

SQUARE, NOISE = Stage("square", ("linf", "l2")), Stage("noise")
SEARCH = Stage("search", (PRODUCT,))  # of several inputs, in place of square
PATCH_RS = Stage("patch-rs", (PATCH,))  # of a patch, likewise
SPARSE = Stage("sparse-rs", (PIXELS,))  # of pixels, likewise
GRID = Stage("grid", (SPATIAL,))  # of turned images, likewise
SEARCHED = (FEATURES, PATCH, PIXELS, SPATIAL)  # families of which a suite may leave out what follows a gradient


def replace_attack(attack: str, attacks: tuple[str, ...], threat: str) -> str:
    """Return what is run in place of one of the run's attacks: square for the last that needs a gradient, else noise.

    Of several inputs it is search, of a patch patch-rs, of pixels sparse-rs, of turned images grid. Square does not
    search an l1 ball; there it refuses, as for a black box.
    """
    if not follows_gradient(attack):
        return attack
    families = families_of([threat])
    others = {PATCH: PATCH_RS, PIXELS: SPARSE, SPATIAL: GRID}
    own = others.get(next(iter(families)), SQUARE) if len(families) == 1 else SQUARE
    search = SEARCH if PRODUCT in families else own
    return search.attack if attack == [other for other in attacks if follows_gradient(other)][-1] else NOISE.attack


def replace_default(attack: str, threat: str, queries: int | None) -> str:
    """Return what a model that answers with labels alone is attacked by, in place of an attack that nobody named.

    It is decision for square; not under l1, which neither is for. `queries` is how many it may make of a sample.
    """
    fitting = families_of([threat]) <= {"linf", "l2"}
    if not fitting or Spec.parse(attack).name != SQUARE.attack:
        return attack
    return spend("decision", queries or QUERIES, [threat])


def leave_queries(suite: Suite) -> Suite:
    """Return the suite without its stages for SEARCHED that follow a gradient, if it has others for them."""
    queries = [stage for stage in suite.stages if not follows_gradient(stage.attack)]
    searched = {family for stage in queries for family in stage.threats}.intersection(SEARCHED)
    return replace(suite, stages=tuple(s for s in suite.stages if s in queries or not searched.intersection(s.threats)))


def replace_stages(suite: Suite) -> Suite:
    """Return the suite with square, or search, and noise in place of its stages that follow a gradient."""
    kept = tuple(stage for stage in suite.stages if not follows_gradient(stage.attack))
    if len(kept) == len(suite.stages):
        return suite
    grid = [GRID] * all(SPATIAL not in stage.threats for stage in kept)  # the suites that come along have one
    return replace(suite, stages=(SQUARE, NOISE, *kept, SEARCH, PATCH_RS, SPARSE, *grid))
