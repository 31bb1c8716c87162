"""For the user's own tests: robust_attack, robust_report, and the mark robust(threat=..., fail_under=...)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from robust.attacks.registry import suggest
from robust.attacks.words import canonical_threat
from robust.gates import Floor, read_percent

if TYPE_CHECKING:
    from robust.attacks.engine import AnyAttack
    from robust.attacks.threats.threat import Threat
    from robust.session.case import Case
    from robust.session.measurement import Measurements
    from robust.session.result import Result

RESULTS: "pytest.StashKey[list[Result]]" = pytest.StashKey()  # on an item: of its robust_attack


@dataclass(frozen=True, slots=True)
class Mark:
    """What the marks of a test say; of several the nearest counts."""

    threat: str | None = None
    floor: Floor | None = None


def read_mark(item: pytest.Item) -> Mark:
    """The marks `robust` of this test. ValueError for what they do not know."""
    given: dict[str, Any] = {}
    for mark in item.iter_markers("robust"):
        if mark.args:
            raise ValueError(f"the mark robust takes keywords only, as robust(fail_under=40), not {mark.args[0]!r}")
        given = {**mark.kwargs, **given}
    for key in given:
        if key not in ("threat", "fail_under"):
            raise ValueError(f"the mark robust has no keyword {suggest(key, ['threat', 'fail_under'])}")
    try:
        threat = canonical_threat(str(given["threat"])) if "threat" in given else None
        floor = Floor(read_percent(given["fail_under"])) if "fail_under" in given else None
    except ValueError as error:
        raise ValueError(f"the mark robust: {error}") from None
    return Mark(threat, floor)


class Attacker:
    """The fixture robust_attack: attacks the model of the test that asks for it."""

    def __init__(self, measurements: "Measurements", case: "Case") -> None:
        self._measurements = measurements
        self._case = case
        self._mark = read_mark(case.item)
        case.item.stash[RESULTS] = []

    def __call__(self, attack: "str | AnyAttack" = "pgd", threat: "str | Threat | None" = None) -> "Result":
        """Attack the model; `attack` is a word as --robust-attack takes it, or an object of robust.attacks.

        `threat`, a word or an object too, is by default that of the test's mark, else the first of the run. Where the
        test's mark has a floor, a result below it fails the test. Returns what was found: accuracy, interval, robust,
        broken, x_adv.
        """
        threat = threat or self._mark.threat or self._measurements.resources.settings.threats[0]
        result = self._measurements.measure(self._case, attack, str(threat))
        self._case.item.stash[RESULTS].append(result)
        self._measurements.judge(self._case, str(result), result.measured, self._mark.floor)
        return result


class Report:
    """The fixture robust_report: adds what a test measured to the table and to the leaderboard."""

    def __init__(self, measurements: "Measurements", case: "Case") -> None:
        self._measurements = measurements
        self._case = case
        self._floor = read_mark(case.item).floor
        self._added: dict[tuple[str, str], Result] = {}

    def add(self, result: "Result") -> None:
        """Add a result of robust_attack. Those of one test under one threat model make one row, the worst case."""
        from robust.session.case import FOUND, fail
        from robust.session.result import Result

        if not isinstance(result, Result):
            fail(f"robust_report.add: {result!r} is no result of robust_attack")
        self._added[result.threat, result.attack] = result
        threats = [threat for threat, _ in self._added]
        self._case.item.stash[FOUND] = [
            self._measurements.found(self._case, added, threats.count(threat), self._case.item.nodeid, self._floor)
            for (threat, _), added in self._added.items()
        ]
