"""Read the gates: floors of accuracies as users write them, and the percentages in them."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from robust.attacks.grammar.norms import parse_threat
from robust.attacks.registry import suggest
from robust.attacks.spec import Spec
from robust.attacks.words import canonical_threat, threat_slug
from robust.gates import CERTIFIED, CLEAN, FAIL_ON, GROUP, MEAN, MEASURES, Floor, Gates, families, pair_slug
from robust.settings.parsing import OptionError, read_list
from robust.settings.sources import OptionValue

ROBUST = "robust"  # the measure of a floor that names none


def read_floor(
    text: str,
    attacks: tuple[str, ...],
    threats: tuple[str, ...],
    ends: tuple[str, ...] = (),
    folder: Path = Path(),
) -> Floor:
    """Read "40", "40%", "robust:40", "clean:85", "worst-class@linf:8/255:60" or "pgd-linf-8_255:35".

    `ends` are those of the curves: a floor at any eps up to there is read from a curve. A table's file is below
    `folder`. Raise ValueError for anything else.
    """
    scope, _, number = text.rpartition(":")
    if scope in ("", ROBUST):
        return Floor(read_percent(number))
    words = {CLEAN, CERTIFIED, *MEASURES}
    for threat in threats:
        words |= {threat_slug(threat), *(pair_slug(measure, threat) for measure in (CERTIFIED, *MEASURES))}
        words |= {*(pair_slug(attack, threat) for attack in attacks)}
    for attack in attacks:
        words |= {Spec.parse(attack).slug, *families(Spec.parse(attack))}
    word = next((word for word in _spellings(scope, folder) if word in words), None)
    if word is None and ends and (radius := _read_radius(scope)):
        measure, threat = radius
        return Floor(read_percent(number), pair_slug(measure, threat), _check_radius(threat, ends))
    if word is None:
        measures = ("robust", CERTIFIED, *MEASURES, *attacks)
        written = {f"{measure}@{threat}" for measure in measures for threat in threats}
        raise ValueError(f"unknown scope {suggest(scope, written if '@' in scope else words)}")
    floor = Floor(0.0, word)
    return replace(floor, percent=read_mean(number) if floor.measure == MEAN else read_percent(number))


def _read_radius(scope: str) -> tuple[str, str] | None:
    """Return the measure and the ball that a scope names, as "robust@linf:4/255" or "certified-linf-4_255".

    The measure is "" for robust samples; None is returned for another scope.
    """
    certified = scope.startswith((f"{CERTIFIED}@", f"{CERTIFIED}-"))
    threat = scope[len(CERTIFIED) + 1 :] if certified else scope.removeprefix(f"{ROBUST}@")
    norm, dash, eps = threat.partition("-")
    text = f"{norm}:{eps.replace('_', '/')}" if dash else threat
    try:
        return (CERTIFIED * certified, canonical_threat(text)) if not {"+", "@"} & {*text} else None
    except ValueError:
        return None


def _check_radius(threat: str, ends: tuple[str, ...]) -> str:
    """Return a threat model that lies on a curve; ValueError for another."""
    norm, eps = parse_threat(threat)
    end = next((end for end in ends if end.partition(":")[0] == norm), None)
    if end is None:
        raise ValueError(f"{threat} is neither planned nor on a curve; there is one up to {' and '.join(ends)}")
    if eps > parse_threat(end)[1]:
        raise ValueError(f"beyond the curve's end, {end}; give --robust-curve={threat.partition(':')[2]}")
    return threat


def _spellings(scope: str, folder: Path) -> Iterator[str]:
    """Yield what a scope may mean: itself, or a threat model or an attack as they are written in a test's name."""
    yield scope
    measure, _, threat = scope.partition("@")
    with contextlib.suppress(ValueError):
        yield pair_slug("" if measure == ROBUST else measure, canonical_threat(threat, folder))
    with contextlib.suppress(ValueError):
        yield threat_slug(canonical_threat(scope, folder))
    with contextlib.suppress(ValueError):
        yield Spec.parse(scope).slug


def read_percent(text: object) -> float:
    """Read "40", "40%" or 40; raise ValueError for a share such as 0.4, and for what is no percentage."""
    try:
        number = float(str(text).removesuffix("%"))
    except ValueError:
        raise ValueError(f"expected a percentage, as 40, got {text}") from None
    if 0 < number < 1:
        raise ValueError(f"expected a percentage; did you mean {100 * number:g}?")
    if not 0 <= number <= 100:
        raise ValueError("expected a percentage from 0 to 100")
    return number


def read_mean(text: str) -> float:
    """Read a mean score, 5.2 or "97%"; raise ValueError for what is none."""
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        raise ValueError(f"expected a mean score, as mean:5.2, got {text}") from None
    if not 0 <= number < float("inf"):
        raise ValueError("expected a mean score of 0 or more")
    return number


def read_gates(
    floors: OptionValue,
    fail_on: OptionValue,
    attacks: tuple[str, ...],
    threats: tuple[str, ...],
    *,
    certified: bool = False,
    ends: tuple[str, ...] = (),
    grouped: bool = False,
) -> Gates:
    """Return the floors of accuracies; their scopes are among these attacks (or suites) and threat models.

    `certified` is whether anything is: without it, a floor of what is certified is refused. `ends` are those of the
    curves, on which any other eps may have a floor. `grouped` is whether the samples have groups, as for `certified`.
    """
    found = read_list(floors, lambda text: read_floor(text, attacks, threats, ends, floors.folder))
    if not certified and (proof := next((floor for floor in found if floor.is_certified), None)):
        raise OptionError(floors.name, str(proof), "nothing is certified; say how, as --robust-certify=crown")
    if not grouped and (weakest := next((floor for floor in found if floor.measure == GROUP), None)):
        raise OptionError(
            floors.name, str(weakest), "there are no groups; say which, as --robust-groups=people.csv:sex"
        )
    text = fail_on.text or "figure"
    rule = next((rule for rule in FAIL_ON if rule == text), None)
    if rule is None:
        raise OptionError(fail_on.name, text, "expected figure or ci")
    return Gates(found, rule)
