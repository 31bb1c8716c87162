"""Whether a model answers better when its inputs are shown otherwise: then they are not what it was trained on."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from robust.stats import mcnemar
from robust.trust.model_probe import Inputs, ModelProbe

SCREENED = 64  # samples on which the ways compete; the best is then shown all
LEAST = 0.05  # of the samples: better by so many, and
RISK = 0.01  # not by chance: McNemar's test, times the number of ways (Bonferroni)
MUCH = 0.2  # of the samples: no honest model gains so many

Alternative = Callable[[Inputs], Inputs]


class Better(NamedTuple):
    """The way in which a model answers better."""

    name: str
    gain: float  # of the samples: over what is answered right now, or by the same answer to all
    told: str
    grade: str


def better(look: ModelProbe, ways: Mapping[str, Alternative]) -> Better | None:
    """The best of the ways to show the samples, where it is better than as they are, by much and not by chance."""
    samples, right = look.samples, look.right
    if not ways or right.mean() > 1 - LEAST or not look.steady:  # what drowns noise is better, and no mistake
        return None
    few = samples.x[:SCREENED]
    tried = {name: (look.classify(way(few)) == samples.y[:SCREENED]).mean() for name, way in ways.items()}
    best = max(tried, key=tried.__getitem__)
    found = look.classify(ways[best](look.x)) == samples.y
    gain = float(found.mean() - max(right.mean(), look.commonest))
    if gain < LEAST or mcnemar(found, right) * len(ways) > RISK:
        return None
    told = f"clean accuracy is {100 * right.mean():.1f} %, and {100 * found.mean():.1f} % with the inputs {best}"
    return Better(best, gain, told, "broken" if gain > MUCH else "suspect")
