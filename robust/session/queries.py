"""Attacks on a model that passes no gradient: queries in place of the attacks that follow a gradient.

Of a quantised model for every threat model; of a black box under a table, whose suites end with a search by queries.
"""

from dataclasses import replace

from robust.attacks.grammar.features import FEATURES
from robust.attacks.grammar.product import PRODUCT
from robust.attacks.suite import Stage, Suite
from robust.attacks.words import families_of
from robust.trust.row_probe import follows_gradient

SQUARE, NOISE = Stage("square", ("linf", "l2")), Stage("noise")
SEARCH = Stage("search", (PRODUCT,))  # of several inputs, in place of square


def replace_attack(attack: str, attacks: tuple[str, ...], threat: str) -> str:
    """Return what is run in place of one of the run's attacks: square for the last that needs a gradient, else noise.

    Of several inputs it is search. Square does not search an l1 ball; there it refuses, as for a black box.
    """
    if not follows_gradient(attack):
        return attack
    search = SEARCH if PRODUCT in families_of([threat]) else SQUARE
    return search.attack if attack == [other for other in attacks if follows_gradient(other)][-1] else NOISE.attack


def leave_queries(suite: Suite) -> Suite:
    """Return the suite without those of its stages for tables that follow a gradient; without stages if all do."""
    stages = suite.stages
    return replace(
        suite, stages=tuple(s for s in stages if FEATURES not in s.threats or not follows_gradient(s.attack))
    )


def replace_stages(suite: Suite) -> Suite:
    """Return the suite with square, or search, and noise in place of its stages that follow a gradient."""
    kept = tuple(stage for stage in suite.stages if not follows_gradient(stage.attack))
    return suite if len(kept) == len(suite.stages) else replace(suite, stages=(SQUARE, NOISE, *kept, SEARCH))
