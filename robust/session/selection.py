"""The selection of a session: whether shipped tests are selected, and which of them make one row together."""

from collections import Counter
from collections.abc import Hashable
from typing import Any

import pytest

from robust.gates import CERTIFIED, Floor
from robust.records.added import CURVE
from robust.session.model_file import RobustModelFile, model_path
from robust.settings.settings import Settings

CHECKS = 0.25  # the share of a row's time that is kept for its checks
PREFLIGHT = 1 / 8  # of the time of a run
CURVE_WEIGHT = 3.0  # of a curve, beside a row: it costs about as many times what a suite does
TALLY = pytest.StashKey[tuple[int, Counter[tuple[object, bool]]]]()
SHIPPED = (
    "test_preflight",
    "test_clean",
    "test_certified",
    "test_attack",
    "test_suite",
    "test_curve",
    "test_trust",
    "test_regression",
)
SELECTED = "robust_selected"  # in workeroutput: whether a worker has selected some of the shipped tests


def group_rows(items: list[pytest.Item]) -> None:
    """Make a group of each row for xdist's --dist=loadgroup: test_trust needs the results of the row's attacks."""
    rows: dict[object, int] = {}
    for item in items:
        if (row := _row(item)) is not None:
            item.add_marker(pytest.mark.xdist_group(f"row-{rows.setdefault(row, len(rows) + 1)}"))


def node_id(item: pytest.Item) -> str:
    """Return the node id as pytest takes it on its command line: without the group that xdist adds to it."""
    mark = item.get_closest_marker("xdist_group")
    return item.nodeid.removesuffix(f"@{mark.args[0]}") if mark and mark.args else item.nodeid


def count_attacks(item: pytest.Item) -> int:
    """Count the attacks, or suites, that make the row of this test."""
    return _tally(item.session)[_row(item), False]


def is_measured_anyway(item: pytest.Item, threat: str, suite: str, attacks: int) -> bool:
    """Whether this session measures a row whatever the outcome of this test: so many attacks, or suites, make it."""
    row, config = (model_path(item), _params(item).get("_robust_variant"), threat, suite), item.config
    selected = _tally(item.session)[row, False]
    ends = 0 < (config.option.maxfail or 0) <= item.session.testsfailed + 1  # the session, if this test fails
    return selected == attacks and not ends


def is_judged(item: pytest.Item) -> bool:
    """Whether a test_trust of this session judges the row of this test."""
    return _tally(item.session)[_row(item), True] > 0


def is_to_certify(item: pytest.Item) -> bool:
    """Whether a test_certified of this session certifies the samples of this test's row."""
    return _tally(item.session)[part_of(item, _params(item)["threat"], CERTIFIED), False] > 0


def is_to_curve(item: pytest.Item) -> bool:
    """Whether a test_curve of this session measures the curve on which this test's row lies."""
    norm = _params(item)["threat"].partition(":")[0]
    return _tally(item.session)[part_of(item, norm, CURVE), False] > 0


def _tally(session: pytest.Session) -> Counter[tuple[object, bool]]:
    """Count the session's tests by (row, whether they judge it), once: each of a thousand tests asks for it."""
    counted, tally = session.stash.get(TALLY, (-1, Counter[tuple[object, bool]]()))
    if counted != len(session.items):  # tests were deselected since
        tally = Counter((_proof(item) or _curve(item) or _row(item), "row" in _params(item)) for item in session.items)
        session.stash[TALLY] = len(session.items), tally
    return tally


def weigh_parts(items: list[pytest.Item], *, preflight: bool = True) -> dict[Hashable, float]:
    """Weigh the parts that share the time of a run: a row's attacks, or its suite, and its checks. A row weighs 1.

    So does a certificate; a curve weighs CURVE_WEIGHT. With `preflight`, that of all models together gets its share
    before them.
    """
    tests = Counter((row, "row" in _params(item)) for item in items if (row := _row(item)))
    weights: dict[Hashable, float] = {}
    for item in items:
        if row := _row(item):
            params, attacks, checked = _params(item), tests[row, False], bool(tests[row, True])
            if "row" in params:
                part, weight = part_of(item, params["threat"], params["row"], checks=True), CHECKS if attacks else 1.0
            else:
                part = part_of(item, params["threat"], params.get("attack", params.get("suite", "")))
                weight = (1 - CHECKS * checked) / attacks
            weights[part] = weight
    weights |= {proof: 1.0 for item in items if (proof := _proof(item))}
    weights |= {curve: CURVE_WEIGHT for item in items if (curve := _curve(item))}
    models = {preflight_of(item) for item in items if _row(item) or _proof(item) or _curve(item)} if preflight else ()
    before = PREFLIGHT / (1 - PREFLIGHT) * sum(weights.values())
    return weights | {model: before / len(models) for model in models}


def preflight_of(item: pytest.Item) -> Hashable:
    """Return the key of preflight among these parts, for the model of a test."""
    return model_path(item), _params(item).get("_robust_variant")


def part_of(item: pytest.Item, threat: str, name: str, *, checks: bool = False) -> Hashable:
    """Return the key of an attack or a suite among these parts, or that of a row's checks, for the model of a test."""
    return model_path(item), _params(item).get("_robust_variant"), threat, name, checks


def find_floor(item: pytest.Item, settings: Settings) -> Floor | None:
    """Find the floor that a shipped test is for. If the test is skipped, nothing shows that the floor holds."""
    params, gates, attacks = _params(item), settings.gates, settings.attacks
    if "certified_threat" in params:
        return gates.certified(params["certified_threat"])
    if norm := params.get("curve_norm"):
        return next(iter(gates.curve(norm, settings.threats)), None)
    if name := params.get("attack", params.get("suite")):
        return gates.attack(name, params["threat"])
    if "row" in params:  # without test_trust there is no row, which its attacks together are
        return gates.together(params["threat"]) if not params["row"] and len(attacks) > 1 else None
    return gates.clean() if item.getparent(RobustModelFile) and item.name.startswith("test_clean") else None


def describe_unmeasured(item: pytest.Item, report: pytest.TestReport, settings: Settings) -> str:
    """Return a line for a shipped test that has measured nothing, though a floor or a row needs it; else ""."""
    if report.skipped and (floor := find_floor(item, settings)):
        return f"--robust-fail-under={floor}: {node_id(item)} was skipped, so nothing shows that it holds"
    passed = report.when == "call" and report.outcome == "passed"
    return (
        f"{node_id(item)} passed, and measured nothing"
        if passed and (_row(item) or _proof(item) or _curve(item))
        else ""
    )


def is_excuse(report: Any) -> bool:
    """Whether a row may be missing after this report: a test failed, or one that needs the model was skipped."""
    outcome = getattr(report, "outcome", "")
    return outcome == "failed" or (outcome == "skipped" and hasattr(report, "robust_ours"))


def is_stopped(item: pytest.Item, report: pytest.TestReport) -> bool:
    """Whether a test that has measured nothing failed, and not for what a check has found."""
    return report.failed and not item.name.startswith(("test_preflight", "test_trust"))


def _row(item: pytest.Item) -> object:
    """Return what the tests of one row have in common; None for a test without a row."""
    params = _params(item)
    if "threat" not in params:
        return None
    suite = params.get("row", params.get("suite", ""))
    return model_path(item), params.get("_robust_variant"), params["threat"], suite


def _proof(item: pytest.Item) -> Hashable:
    """Return what a test_certified is among the tests, and the parts of the time; None for another test."""
    threat = _params(item).get("certified_threat")
    return threat and part_of(item, threat, CERTIFIED)


def _curve(item: pytest.Item) -> Hashable:
    """Return what a test_curve is among the tests, and the parts of the time; None for another test."""
    norm = _params(item).get("curve_norm")
    return norm and part_of(item, norm, CURVE)


def _params(item: pytest.Item) -> dict[str, Any]:
    """Return the parameters of a shipped test; none of a user's test, which makes rows of its own."""
    ours = isinstance(item, pytest.Function) and item.getparent(RobustModelFile) is not None
    return item.callspec.params if ours and hasattr(item, "callspec") else {}


def is_shipped(nodeid: str) -> bool:
    """Whether a node id, of another process, is called as a shipped test is."""
    return nodeid.partition("::")[2].partition("[")[0] in SHIPPED


class Selection:
    """Hooks that note whether shipped tests are selected, here or in the workers of pytest-xdist."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._only = settings.only
        self._output: dict[str, bool] | None = getattr(config, "workeroutput", None)
        self._failed = False  # whether something could not be collected, which may have been a shipped test
        self._selected: list[bool] = []  # by each process that collects: whether shipped tests are selected

    @property
    def left_out(self) -> bool:
        """Whether all went well and no shipped test was selected; never with --robust-only, which asks for them."""
        return bool(self._selected) and not (self._only or self._failed or any(self._selected))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._failed |= report.failed

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        selected = any(item.getparent(RobustModelFile) is not None for item in session.items)
        self._selected.append(selected)
        if self._output is not None:
            self._output[SELECTED] = selected

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Note what a worker has selected; one that crashed says nothing, and so may have had shipped tests."""
        self._selected.append(getattr(node, "workeroutput", {}).get(SELECTED, True))
