"""The ladder of attacks that a curve is measured by: rungs, each run on all samples that are answered right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from robust.attacks.criteria.registry import DEFAULT
from robust.attacks.descent import Descent
from robust.attacks.engine import count_copies, rounds_of
from robust.attacks.factory import make
from robust.attacks.few_classes import fit_classes
from robust.attacks.nearest import Search
from robust.attacks.suite import Stage, Suite

SHARE, AGAIN = 0.98, 0.99  # of a sample's distance: the radius in which a suite's attack seeks a nearer input
MOST = 0.5  # of the clean margin: a stage for samples with so much left is not kept for a few


@dataclass(frozen=True, slots=True)
class Rung:
    """A part of the ladder, by its name in records, and what it does to a search."""

    name: str
    passes: float  # of a sample, at most; a backward pass counts as two
    run: Callable[[Search], None]
    copies: int = 1  # how many iterates of each sample it has at once, at most


def ladder(
    norm: str, suites: Sequence[Suite], classes: int, load: Callable[[str], Any], criterion: str = DEFAULT
) -> list[Rung]:
    """Return the rungs for a norm, and a model that answers with so many numbers.

    The suites' own attacks are those of their stages for all samples; the last of these comes once more, on the samples
    on which any has paid.
    """
    euclidean = norm != "linf"  # where suites take more passes, and so may the ladder
    fab, far, near = (10, 40, 80) if euclidean else (8, 25, 50)  # steps
    first = [f"fab:steps={fab}:targets=3", "fmn:steps=30", f"fab:start=1:steps={fab}:targets=3"]
    first += ["ddn:steps=30:loss=margin"] * (norm == "l2")
    stages = list_stages(suites, norm)
    walk = Descent(far, 3.0 if norm == "l1" else 0.3, walk="euclidean" if euclidean else "steepest")
    fine = Descent(near, first=1.0, last=1e-5, shrink=(0.05, 1e-6), walk="euclidean")
    fit = partial(fit_classes, classes=classes, criterion=criterion)
    rungs = [_approach(text, load) for text in dict.fromkeys(map(fit, first))]
    rungs.append(_descent("descent", walk, 8))
    broad = [*dict.fromkeys(fit(stage.attack) for stage in stages if is_broad(stage))]
    rungs += [_within(text, load, SHARE) for text in broad]
    rungs += [_within(text, load, AGAIN, again=True) for text in broad[-1:]]
    return [*rungs, _descent("fine-descent", fine, 18)]


def list_stages(suites: Sequence[Suite], norm: str) -> list[Stage]:
    """List the stages of suites that are for a norm."""
    return [stage for suite in suites for stage in suite.stages if norm in stage.threats]


def is_broad(stage: Stage) -> bool:
    """Whether a stage is for most samples, not for those near falling alone."""
    return stage.hardest == 1 and stage.near >= MOST


def _approach(text: str, load: Callable[[str], Any]) -> Rung:
    attack = make(text, load)

    def run(search: Search) -> None:
        search.approach(attack)

    return Rung(text, count_passes(text, load), run)


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
    return Rung(name, count_passes(text, load), run, count_copies(attack))


def count_passes(text: str, load: Callable[[str], Any]) -> float:
    """Count the passes of a sample that an attack takes at most."""
    steps = sum((attack.steps + 1) * getattr(attack, "starts", 1) for attack, _ in rounds_of(make(text, load)))
    return (4.0 if text.startswith("fab") else 3.0) * steps
