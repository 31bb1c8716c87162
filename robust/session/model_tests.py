"""The shipped tests, mounted on the user's model file: net.py::test_clean, net.py::test_attack[pgd-linf-8_255]."""

from typing import TYPE_CHECKING

import pytest

from robust.session.run import RUN

if TYPE_CHECKING:
    from robust.session.case import Case
    from robust.settings.baseline import RegressionCheck


def test_preflight(pytestconfig: pytest.Config, _robust_case: "Case") -> None:
    """Whether the model is one whose attacks can mean anything."""
    pytestconfig.stash[RUN].trust_test.preflight(_robust_case)


def test_clean(pytestconfig: pytest.Config, _robust_case: "Case") -> None:
    """The model's accuracy without an attack."""
    pytestconfig.stash[RUN].measurements.clean(_robust_case)


def test_regression(pytestconfig: pytest.Config, _robust_case: "Case", regression_check: "RegressionCheck") -> None:
    """Whether the model is as good as a baseline says that it was, on the same samples."""
    pytestconfig.stash[RUN].regression_test.compare(_robust_case, regression_check)


def test_attack(pytestconfig: pytest.Config, _robust_case: "Case", attack: str, threat: str) -> None:
    """The model's accuracy under one attack, which starts on all samples that are answered right."""
    pytestconfig.stash[RUN].measurements.attack(_robust_case, attack, threat)


def test_suite(pytestconfig: pytest.Config, _robust_case: "Case", suite: str, threat: str) -> None:
    """The model's accuracy under a suite of attacks, each on what those before it left."""
    pytestconfig.stash[RUN].measurements.suite(_robust_case, suite, threat)


def test_trust(pytestconfig: pytest.Config, _robust_case: "Case", row: str, threat: str) -> None:
    """Whether the row's figures may be believed: of a suite, or of all attacks together."""
    pytestconfig.stash[RUN].trust_test.trust(_robust_case, row, threat)
