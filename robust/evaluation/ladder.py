"""The ladder of attacks that a curve is measured by: rungs, run on all samples that are answered right, or on few."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

from robust.attacks.corners import Corners
from robust.attacks.criteria.registry import DEFAULT
from robust.attacks.descent import Descent
from robust.attacks.engine import AnyAttack, count_copies, rounds_of
from robust.attacks.factory import make
from robust.attacks.few_classes import fit_classes
from robust.attacks.grammar.norms import threat_text
from robust.attacks.nearest import Search
from robust.attacks.spec import Spec
from robust.attacks.suite import Stage, Suite
from robust.attacks.words import GRADIENT_FREE

NEAREST = "fab:steps=2:candidates=9"  # which boundary is nearest need not be that of a class whose logit is near
AGAIN = 0.995  # of a sample's distance: the radius in which the dearest attack seeks a nearer input
PRICE = 1500.0  # passes that a sample that comes nearer may cost
FEW = 48  # values of an input, up to which more is done: their distances can be found exactly, and passes cost little
RESTARTED = "pgd:last=0.01:loss=margin:restarts=20:steps=30:stride=0.3"  # there: short steps, from many starts
CORNERS, FINEST, CHEAP = 2000, 300, 20_000.0  # likewise: points drawn, steps of the fine descent, and PRICE
MISLED, FOLLOWING = 900.0, 5000.0  # likewise by queries; and by further ones, where gradients proved to mislead
SHORT, LONG = 4, 2  # rounds of a suite's cheapest queries, and of the next in cost
INWARDS, ON = 0.02, 0.01  # the first step inwards of queries, as a share of the distance, in the first round and later
QUERIES = "square:steps=300"  # where a suite has none for a norm that it is for
WIDER = 1.05  # samples from this part of a listed eps to this multiple are attacked there by the suite itself
NEAR = 0.05  # of the samples lie so near an eps, and fall to no early stage, in the mean of several
MOST = 0.5  # of the clean margin: a stage for samples with so much left is not kept for a few


class Listed(NamedTuple):
    """An eps that is listed, and the suite that is run there."""

    suite: Suite
    eps: Fraction
    classes: int  # of the model


@dataclass(frozen=True, slots=True)
class Rung:
    """A part of the ladder, by its name in records, and what it does to a search.

    At an eps that is listed its suite is run first, on the samples that lie near it; `run` refines what it finds.
    """

    name: str
    passes: float  # of a sample, at most, or in the mean where it is for few; a backward pass counts as two
    run: Callable[[Search], None]
    copies: int = 1  # how many iterates of each sample it has at once, at most
    few: bool = False  # whether it is tried on few samples first, and on more while that pays
    price: float = PRICE  # of a sample that comes nearer, in passes: up to this it pays
    follow: bool = False  # whether it is run only if the rung before it has paid
    listed: Listed | None = None


def ladder(
    norm: str,
    suites: Sequence[Suite],
    classes: int,
    load: Callable[[str], Any],
    criterion: str = DEFAULT,
    eps: Collection[Fraction] = (),
    features: int | None = None,
) -> list[Rung]:
    """Return the rungs for a norm, and a model that answers with so many numbers.

    The suites' own attacks are those of their stages for all samples, but for those of the margin, which the descents
    ascend. The last, the dearest, attacks only samples on which another has paid, in larger balls and made lighter. The
    queries are the cheapest of the suites' stages that need no gradient. All but the first attack and the descents are
    tried on few samples, and go on where that pays. If inputs have at most FEW `features`, random corners are tried as
    well, and the fine descent is longer.

    At each of `eps` the suites themselves end the ladder, from the largest down: what they find at one comes nearer to
    the next. Each sample has the random numbers that it has in a run of the suite alone.
    """
    euclidean = norm != "linf"  # where suites take more passes, and so may the ladder
    far, near = (40, 30) if euclidean else (25, 16)  # steps
    is_small = features is not None and features <= FEW
    share = AGAIN if euclidean else 0.99  # of a distance, in which others seek a nearer input
    others = ["fmn:steps=30", "fab:start=1:steps=10:targets=3"] * euclidean
    others += ["ddn:steps=30:loss=margin"] * (norm == "l2")
    stages = list_stages(suites, norm)
    walk = Descent(far, 3.0 if norm == "l1" else 0.3, walk="euclidean" if euclidean else "steepest")
    fine = Descent(FINEST if is_small else near, first=1.0, last=1e-5, shrink=(0.05, 1e-6), walk="euclidean")
    fit = partial(fit_classes, classes=classes, criterion=criterion)
    broad = [*dict.fromkeys(fit(stage.attack) for stage in stages if is_broad(stage))]
    within = [text for text in broad[:-1] if dict(Spec.parse(text).options).get("loss") != "margin"] or broad
    return [
        _approach(NEAREST, load),
        _descent("descent", walk, 8),
        *(_approach(text, load, few=True) for text in dict.fromkeys(map(fit, others))),
        *(_within(text, make(text, load), count_passes(text, load), share) for text in within),
        *(_again(lighten(text), load) for text in broad[-1:]),
        *(_search_few(norm, share, load) if is_small else ()),
        _descent("fine-descent", fine, 16, begun=True),
        *(_inwards(text, load, k) for k, text in enumerate(map(fit, _plan_queries(norm, stages, load)))),
        *(
            _at(Listed(suite, radius, classes), norm, fit, load)
            for radius in sorted(set(eps), reverse=True)
            for suite in suites
        ),
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


def _within(name: str, attack: AnyAttack, passes: float, share: float, again: bool = False) -> Rung:
    def run(search: Search) -> None:
        search.within(attack, share, again=again)

    return Rung(
        name=f"within {share:g}{', again' * again}: {name}",
        passes=passes,
        run=run,
        copies=count_copies(attack),
        few=True,
    )


def _search_few(norm: str, share: float, load: Callable[[str], Any]) -> Iterator[Rung]:
    """Yield the rungs for inputs of few values, on which others lead to a few corners of a ball again and again."""
    if norm != "l1":
        rung = _within(RESTARTED, make(RESTARTED, load), count_passes(RESTARTED, load), share)
        yield replace(rung, price=CHEAP)
    if norm == "linf":
        yield replace(_within(f"corners:steps={CORNERS}", Corners(CORNERS), CORNERS, share), price=CHEAP)


def _again(text: str, load: Callable[[str], Any]) -> Rung:
    return _within(text, make(text, load), count_passes(text, load), AGAIN, again=True)


def lighten(text: str) -> str:
    """Return an attack of several starts with two thirds of these and three fifths of its steps; others as they are.

    A sample has several attempts, as its ball shrinks.
    """
    spec = Spec.parse(text)
    options = dict(spec.options)
    if "starts" not in options:
        return text
    fewer = {"starts": max(1, int(options["starts"]) * 2 // 3), "steps": max(1, int(options["steps"]) * 3 // 5)}
    return str(replace(spec, options=tuple(sorted((options | fewer).items()))))


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


def _at(listed: Listed, norm: str, fit: Callable[[str], str], load: Callable[[str], Any]) -> Rung:
    certain = [stage for stage in list_stages([listed.suite], norm) if not stage.follow]
    passes = NEAR * sum(count_passes(fit(stage.attack), load) for stage in certain)
    return Rung(f"{listed.suite.name} at {threat_text(norm, listed.eps)}", passes, Search.refine, listed=listed)


def count_passes(text: str, load: Callable[[str], Any]) -> float:
    """Count the passes of a sample that an attack takes at most."""
    steps = sum((attack.steps + 1) * getattr(attack, "starts", 1) for attack, _ in rounds_of(make(text, load)))
    spec = Spec.parse(text)
    options = dict(spec.options)
    if spec.name == "fab":  # with targets their class is asked for beside
        return (4.0 if "targets" in options else 1 + 2 * int(options.get("candidates", 9))) * steps
    return (1.0 if spec.name in GRADIENT_FREE else 3.0) * steps
