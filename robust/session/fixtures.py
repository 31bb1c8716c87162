"""The fixtures robust_attack and robust_report, and the mark robust(threat=..., fail_under=...), for user tests."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from robust.attacks.registry import suggest
from robust.attacks.words import canonical_threat
from robust.gates import Floor
from robust.settings.floors import read_percent

if TYPE_CHECKING:
    from robust.attacks.engine import AnyAttack
    from robust.attacks.threats.threat import Threat
    from robust.session.accuracy_tests import AccuracyTest
    from robust.session.case import Case
    from robust.session.measurement import Measurements
    from robust.session.result import Result

RESULTS: "pytest.StashKey[list[Result]]" = pytest.StashKey()  # on an item: those of its robust_attack


@dataclass(frozen=True, slots=True)
class Mark:
    """The threat model and the floor that the marks of a test set. If several set one, the nearest counts."""

    threat: str | None = None
    floor: Floor | None = None


def read_mark(item: pytest.Item) -> Mark:
    """Read the marks `robust` of a test; raise ValueError for a keyword or a value that is wrong."""
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

    def __init__(
        self, measurements: "Measurements", accuracy_test: "AccuracyTest", case: "Case", default_threat: str
    ) -> None:
        self._measurements = measurements
        self._accuracy_test = accuracy_test
        self._case = case
        self._mark = read_mark(case.item)
        self._default_threat = self._mark.threat or default_threat
        case.item.stash[RESULTS] = []

    def __call__(self, attack: "str | AnyAttack" = "pgd", threat: "str | Threat | None" = None) -> "Result":
        """Attack the model; `attack` is a text as --robust-attack takes it, or an object of robust.attacks.

        `threat`, a text or an object too, is by default that of the test's mark, else the first of the run. If the
        test's mark has a floor, a result below it fails the test. Returns the result: accuracy, interval, robust,
        broken, x_adv.
        """
        result = self._measurements.measure(self._case, attack, str(threat or self._default_threat))
        self._case.item.stash[RESULTS].append(result)
        self._accuracy_test.judge(self._case, str(result), result.measured, self._mark.floor)
        return result


class Report:
    """The fixture robust_report: adds what a test measured to the table and to the leaderboard."""

    def __init__(self, accuracy_test: "AccuracyTest", case: "Case") -> None:
        self._accuracy_test = accuracy_test
        self._case = case
        self._floor = read_mark(case.item).floor
        self._added: dict[tuple[str, str], Result] = {}

    def add(self, result: "Result") -> None:
        """Add a result of robust_attack. Those of one test under one threat model make one row, the worst case."""
        from robust.session.case import fail
        from robust.session.result import Result

        if not isinstance(result, Result):
            fail(f"robust_report.add: {result!r} is no result of robust_attack")
        self._added[result.threat, result.attack] = result
        self._accuracy_test.report(self._case, [*self._added.values()], self._floor)
