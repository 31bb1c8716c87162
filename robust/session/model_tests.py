"""The shipped tests, mounted on the user's model file: net.py::test_clean, net.py::test_attack[pgd-linf-8_255]."""

from typing import TYPE_CHECKING

import pytest

from robust.session.run import RUN

if TYPE_CHECKING:
    from robust.session.case import Case
    from robust.settings.baseline import RegressionCheck


def test_preflight(pytestconfig: pytest.Config, _robust_case: "Case") -> None:
    """Test whether attacks on the model can mean anything."""
    pytestconfig.stash[RUN].trust_test.test_preflight(_robust_case)


def test_clean(pytestconfig: pytest.Config, _robust_case: "Case") -> None:
    """Test the model's accuracy without an attack."""
    pytestconfig.stash[RUN].accuracy_test.test_clean(_robust_case)


def test_regression(pytestconfig: pytest.Config, _robust_case: "Case", regression_check: "RegressionCheck") -> None:
    """Test whether the model is as good as a baseline says that it was, on the same samples."""
    pytestconfig.stash[RUN].regression_test.test_regression(_robust_case, regression_check)


def test_certified(pytestconfig: pytest.Config, _robust_case: "Case", certified_threat: str) -> None:
    """Test of how many samples it is proved that no input within the threat model is answered wrong."""
    pytestconfig.stash[RUN].accuracy_test.test_certified(_robust_case, certified_threat)


def test_attack(pytestconfig: pytest.Config, _robust_case: "Case", attack: str, threat: str) -> None:
    """Test the model's accuracy under one attack, which starts on all samples that are answered right."""
    pytestconfig.stash[RUN].accuracy_test.test_attack(_robust_case, attack, threat)


def test_suite(pytestconfig: pytest.Config, _robust_case: "Case", suite: str, threat: str) -> None:
    """Test the model's accuracy under a suite of attacks, each on the samples that those before it left."""
    pytestconfig.stash[RUN].accuracy_test.test_attack(_robust_case, suite, threat, is_suite=True)


def test_curve(pytestconfig: pytest.Config, _robust_case: "Case", curve_norm: str) -> None:
    """Test the accuracy at every eps of a norm: find each sample's smallest adversarial distance."""
    pytestconfig.stash[RUN].curve_test.test_curve(_robust_case, curve_norm)


def test_trust(pytestconfig: pytest.Config, _robust_case: "Case", row: str, threat: str) -> None:
    """Test whether the row's figures may be believed: those of a suite, or of all attacks together."""
    pytestconfig.stash[RUN].trust_test.test_trust(_robust_case, row, threat)
