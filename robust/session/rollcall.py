"""Whether any of our tests was to run: where the user left all of them out, a gate has nothing to hold."""

from typing import Any

import pytest

from robust.session.collect import RobustModelFile
from robust.session.settings import Settings

SELECTED = "robust_selected"  # what a worker tells the controller


class RollCall:
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
