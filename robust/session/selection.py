"""Which tests of a session make one row together; with xdist's --dist=loadgroup one worker runs them."""

from typing import Any

import pytest

from robust.gates import Floor
from robust.session.model_file import RobustModelFile, model_path
from robust.settings.settings import Settings

SELECTED = "robust_selected"  # what a worker tells the controller


def group(items: list[pytest.Item]) -> None:
    """Give xdist a group for each row: what its attacks found is there where test_trust looks at it."""
    rows: dict[object, int] = {}
    for item in items:
        if (row := _row(item)) is not None:
            item.add_marker(pytest.mark.xdist_group(f"row-{rows.setdefault(row, len(rows) + 1)}"))


def node_id(item: pytest.Item) -> str:
    """As pytest takes it on its command line: without the group that xdist adds to it."""
    mark = item.get_closest_marker("xdist_group")
    return item.nodeid.removesuffix(f"@{mark.args[0]}") if mark and mark.args else item.nodeid


def planned(item: pytest.Item) -> int:
    """How many attacks, or suites, make the row that the test is of."""
    return sum(_row(other) == _row(item) and "row" not in _params(other) for other in item.session.items)


def judged(item: pytest.Item) -> bool:
    """Whether a test of this session says if that row may be believed."""
    return any(_row(other) == _row(item) and "row" in _params(other) for other in item.session.items)


def unheld(item: pytest.Item, settings: Settings) -> Floor | None:
    """A floor that one of our tests would have held something to: where it is skipped, nothing shows that it holds."""
    params, gates, attacks = _params(item), settings.gates, settings.attacks
    if name := params.get("attack", params.get("suite")):
        return gates.attack(name, params["threat"])
    if "row" in params:  # without test_trust there is no row, which its attacks together are
        return gates.together(params["threat"]) if not params["row"] and len(attacks) > 1 else None
    return gates.clean() if item.getparent(RobustModelFile) and item.name.startswith("test_clean") else None


def _row(item: pytest.Item) -> object:
    """What the tests of one row have in common; None for a test of none."""
    params = _params(item)
    if "threat" not in params:
        return None
    suite = params.get("row", params.get("suite", ""))
    return model_path(item), params.get("_robust_variant"), params["threat"], suite


def _params(item: pytest.Item) -> dict[str, Any]:
    """Of one of the shipped tests; a user's own test makes rows of its own."""
    ours = isinstance(item, pytest.Function) and item.getparent(RobustModelFile) is not None
    return item.callspec.params if ours and hasattr(item, "callspec") else {}


class Selection:
    """Hooks that hear what is collected and selected, here or in the workers of pytest-xdist."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._only = settings.only
        self._output: dict[str, bool] | None = getattr(config, "workeroutput", None)
        self._failed = False  # whether something could not be collected: ours may have been in it
        self._selected: list[bool] = []  # by each process that collects

    @property
    def left_out(self) -> bool:
        """Whether all went well and none of ours was selected; never with --robust-only, which asks for them."""
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
        """A worker that crashed tells nothing, and so may have had some of ours."""
        self._selected.append(getattr(node, "workeroutput", {}).get(SELECTED, True))
