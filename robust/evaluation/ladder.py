"""The ladder of attacks that a curve is measured by: rungs, each run on all samples that are answered right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from robust.attacks.criteria.registry import DEFAULT
from robust.attacks.descent import Descent
from robust.attacks.engine import count_copies, rounds_of
from robust.attacks.factory import make
from robust.attacks.few_classes import fit_classes
from robust.attacks.nearest import Search
from robust.attacks.spec import Spec
from robust.attacks.suite import Stage, Suite
from robust.attacks.words import GRADIENT_FREE

SHARE, AGAIN = 0.98, 0.99  # of a sample's distance: the radius in which a suite's attack seeks a nearer input
PRICE, FOLLOWING = 1500.0, 5000.0  # passes that a sample that comes nearer may cost; where gradients proved to mislead
SHORT, LONG = 4, 2  # rounds of a suite's cheapest queries, and of the next in cost
INWARDS, ON = 0.02, 0.01  # the first step inwards of queries, as a share of the distance, in the first round and later
QUERIES = "square:steps=300"  # where a suite has none for a norm that it is for
MOST = 0.5  # of the clean margin: a stage for samples with so much left is not kept for a few


@dataclass(frozen=True, slots=True)
class Rung:
    """A part of the ladder, by its name in records, and what it does to a search."""

    name: str
    passes: float  # of a sample, at most; a backward pass counts as two
    run: Callable[[Search], None]
    copies: int = 1  # how many iterates of each sample it has at once, at most
    few: bool = False  # whether it is tried on few samples first, and on more while that pays
    price: float = PRICE  # of a sample that comes nearer, in passes: up to this it pays
    follow: bool = False  # whether it is run only if the rung before it has paid


def ladder(
    norm: str, suites: Sequence[Suite], classes: int, load: Callable[[str], Any], criterion: str = DEFAULT
) -> list[Rung]:
    """Return the rungs for a norm, and a model that answers with so many numbers.

    The suites' own attacks are those of their stages for all samples; the last of these comes once more, on the samples
    on which any has paid. The queries are the cheapest of the suites' stages that need no gradient. All but the first
    attack and the descents are tried on few samples, and go on where that pays.
    """
    euclidean = norm != "linf"  # where suites take more passes, and so may the ladder
    fab, far, near = (10, 40, 80) if euclidean else (8, 25, 48)  # steps
    first = [f"fab:steps={fab}:targets=3", "fmn:steps=30", f"fab:start=1:steps={fab}:targets=3"]
    first += ["ddn:steps=30:loss=margin"] * (norm == "l2")
    stages = list_stages(suites, norm)
    walk = Descent(far, 3.0 if norm == "l1" else 0.3, walk="euclidean" if euclidean else "steepest")
    fine = Descent(near, first=1.0, last=1e-5, shrink=(0.05, 1e-6), walk="euclidean")
    fit = partial(fit_classes, classes=classes, criterion=criterion)
    rungs = [_approach(text, load, few=k > 0) for k, text in enumerate(dict.fromkeys(map(fit, first)))]
    rungs.append(_descent("descent", walk, 8))
    broad = [*dict.fromkeys(fit(stage.attack) for stage in stages if is_broad(stage))]
    rungs += [_within(text, load, SHARE) for text in broad]
    rungs += [_within(text, load, AGAIN, again=True) for text in broad[-1:]]
    rungs.append(_descent("fine-descent", fine, 18))
    queries = map(fit, _plan_queries(norm, stages, load))
    return rungs + [_inwards(text, load, k) for k, text in enumerate(queries)]


def list_stages(suites: Sequence[Suite], norm: str) -> list[Stage]:
    """List the stages of suites that are for a norm."""
    return [stage for suite in suites for stage in suite.stages if norm in stage.threats]


def is_broad(stage: Stage) -> bool:
    """Whether a stage is for most samples, not for those near falling alone."""
    return stage.hardest == 1 and stage.near >= MOST


def _plan_queries(norm: str, stages: Sequence[Stage], load: Callable[[str], Any]) -> list[str]:
    """Return the attacks of the rounds of queries: the cheapest of the stages, then the one that is next in cost."""
    specs = [Spec.parse(stage.attack) for stage in stages if is_query(stage)]
    texts = {str(replace(spec, options=tuple(o for o in spec.options if o[0] != "restarts"))) for spec in specs}
    texts = texts or ({QUERIES} if norm != "l1" else set())
    ordered = sorted(texts, key=lambda text: (count_passes(text, load), text))
    return ordered[:1] * SHORT + ordered[1:2] * LONG


def is_query(stage: Stage) -> bool:
    """Whether a stage's attack needs no gradient."""
    return Spec.parse(stage.attack).name in GRADIENT_FREE


def _approach(text: str, load: Callable[[str], Any], *, few: bool) -> Rung:
    attack = make(text, load)

    def run(search: Search) -> None:
        search.approach(attack)

    return Rung(text, count_passes(text, load), run, few=few)


def _descent(name: str, descent: Descent, halvings: int) -> Rung:
    def run(search: Search) -> None:
        search.to_boundary(halvings)
        search.descend(descent)
        search.to_boundary(halvings)

    return Rung(f"{name}:steps={descent.steps}", 3 * descent.steps + 2 * halvings, run)


def _within(text: str, load: Callable[[str], Any], share: float, *, again: bool = False) -> Rung:
    attack = make(text, load)

    def run(search: Search) -> None:
        search.within(attack, share, again=again)

    name = f"within {share:g}{', again' * again}: {text}"
    return Rung(name, count_passes(text, load), run, count_copies(attack), few=not again)


def _inwards(text: str, load: Callable[[str], Any], r: int) -> Rung:
    attack, step = make(text, load), ON if r else INWARDS

    def run(search: Search) -> None:
        search.inwards(attack, step)

    return Rung(
        name=f"inwards by {step:g}, round {r + 1}: {text}",
        passes=count_passes(text, load),
        run=run,
        copies=count_copies(attack),
        few=True,
        price=FOLLOWING if r else PRICE,
        follow=r > 0,
    )


def count_passes(text: str, load: Callable[[str], Any]) -> float:
    """Count the passes of a sample that an attack takes at most."""
    steps = sum((attack.steps + 1) * getattr(attack, "starts", 1) for attack, _ in rounds_of(make(text, load)))
    name = Spec.parse(text).name
    return (1.0 if name in GRADIENT_FREE else 4.0 if name == "fab" else 3.0) * steps
