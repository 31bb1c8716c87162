"""The ladder of attacks that a curve is measured by: rungs, run on all samples that are answered right, or on few."""

import math
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

NEAREST = "fab:steps=2:candidates=9"  # which boundary is nearest need not be that of a class whose logit is near
SHARE, AGAIN = 0.98, 0.995  # of a sample's distance: the radius in which a suite's attack seeks a nearer input
PRICE = 1500.0  # passes that a sample that comes nearer may cost
SPARE = 900.0  # passes of a sample; after fewer there is room for one attack more
MISLED, FOLLOWING = 900.0, 5000.0  # likewise by queries; and by further ones, where gradients proved to mislead
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
    below: float = math.inf  # it is run only if fewer passes of a sample were taken so far, by their mean


def ladder(
    norm: str, suites: Sequence[Suite], classes: int, load: Callable[[str], Any], criterion: str = DEFAULT
) -> list[Rung]:
    """Return the rungs for a norm, and a model that answers with so many numbers.

    The suites' own attacks are those of their stages for all samples. All but the last come twice, the second time in
    larger balls; the last attacks the samples on which another has paid in the smaller balls, twice where few passes
    were taken so far. The queries are the cheapest of the suites' stages that need no gradient. All but the first
    attack, the last of the suites' and the descents are tried on few samples, and go on where that pays.
    """
    euclidean = norm != "linf"  # where suites take more passes, and so may the ladder
    fab, far, near = (10, 40, 60) if euclidean else (8, 25, 32)  # steps
    others = ["fmn:steps=30", f"fab:start=1:steps={fab}:targets=3"] * euclidean
    others += ["ddn:steps=30:loss=margin"] * (norm == "l2")
    stages = list_stages(suites, norm)
    walk = Descent(far, 3.0 if norm == "l1" else 0.3, walk="euclidean" if euclidean else "steepest")
    fine = Descent(near, first=1.0, last=1e-5, shrink=(0.05, 1e-6), walk="euclidean")
    fit = partial(fit_classes, classes=classes, criterion=criterion)
    broad = [*dict.fromkeys(fit(stage.attack) for stage in stages if is_broad(stage))]
    return [
        _approach(NEAREST, load),
        _approach(fit(f"fab:steps={fab}:targets=3"), load),
        _descent("descent", walk, 8),
        *(_approach(text, load, few=True) for text in dict.fromkeys(map(fit, others))),
        *(_within(text, load, share) for share in (SHARE, AGAIN) for text in broad[:-1] or broad),
        *(_within(text, load, AGAIN, again=k) for k in (1, 2) for text in broad[-1:]),
        _descent("fine-descent", fine, 16, begun=True),
        *(_inwards(text, load, k) for k, text in enumerate(map(fit, _plan_queries(norm, stages, load)))),
    ]


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


def _approach(text: str, load: Callable[[str], Any], *, few: bool = False) -> Rung:
    attack = make(text, load)

    def run(search: Search) -> None:
        search.approach(attack, polish=few)

    return Rung(text, count_passes(text, load), run, few=few)


def _descent(name: str, descent: Descent, halvings: int, *, begun: bool = False) -> Rung:
    def run(search: Search) -> None:
        if not begun:
            search.to_boundary(halvings)
        search.descend(descent)
        search.to_boundary(halvings)

    return Rung(f"{name}:steps={descent.steps}", 3 * descent.steps + (1 if begun else 2) * halvings, run)


def _within(text: str, load: Callable[[str], Any], share: float, *, again: int = 0) -> Rung:
    attack = make(text, load)

    def run(search: Search) -> None:
        search.within(attack, share, again=again > 0, mark=share == SHARE)

    return Rung(
        name=f"within {share:g}{f', again {again}' if again else ''}: {text}",
        passes=count_passes(text, load),
        run=run,
        copies=count_copies(attack),
        few=not again,
        below=SPARE if again > 1 else math.inf,
    )


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
        price=FOLLOWING if r else MISLED,
        follow=r > 0,
    )


def count_passes(text: str, load: Callable[[str], Any]) -> float:
    """Count the passes of a sample that an attack takes at most."""
    steps = sum((attack.steps + 1) * getattr(attack, "starts", 1) for attack, _ in rounds_of(make(text, load)))
    spec = Spec.parse(text)
    options = dict(spec.options)
    if spec.name == "fab":  # with targets their class is asked for beside
        return (4.0 if "targets" in options else 1 + 2 * int(options.get("candidates", 9))) * steps
    return (1.0 if spec.name in GRADIENT_FREE else 3.0) * steps
