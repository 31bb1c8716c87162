"""The shipped tests, mounted on the user's model file: net.py::test_clean, net.py::test_attack[pgd-linf-8_255]."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robust.session.case import Case
    from robust.session.run import Run
    from robust.settings.baseline import RegressionCheck


def test_preflight(_robust_parts: "Run", _robust_case: "Case") -> None:
    """Test whether attacks on the model can mean anything."""
    _robust_parts.trust_test.test_preflight(_robust_case)


def test_clean(_robust_parts: "Run", _robust_case: "Case") -> None:
    """Test the model's accuracy without an attack."""
    _robust_parts.accuracy_test.test_clean(_robust_case)


def test_regression(_robust_parts: "Run", _robust_case: "Case", regression_check: "RegressionCheck") -> None:
    """Test whether the model is as good as a baseline says that it was, on the same samples."""
    _robust_parts.regression_test.test_regression(_robust_case, regression_check)


def test_certified(_robust_parts: "Run", _robust_case: "Case", certified_threat: str) -> None:
    """Test of how many samples it is proved that no input within the threat model is answered wrong."""
    _robust_parts.accuracy_test.test_certified(_robust_case, certified_threat)


def test_attack(_robust_parts: "Run", _robust_case: "Case", attack: str, threat: str) -> None:
    """Test the model's accuracy under one attack, which starts on all samples that are answered right."""
    _robust_parts.accuracy_test.test_attack(_robust_case, attack, threat)


def test_suite(_robust_parts: "Run", _robust_case: "Case", suite: str, threat: str) -> None:
    """Test the model's accuracy under a suite of attacks, each on the samples that those before it left."""
    _robust_parts.accuracy_test.test_attack(_robust_case, suite, threat, is_suite=True)


def test_curve(_robust_parts: "Run", _robust_case: "Case", curve_norm: str) -> None:
    """Test the accuracy at every eps of a norm: find each sample's smallest adversarial distance."""
    _robust_parts.curve_test.test_curve(_robust_case, curve_norm)


def test_trust(_robust_parts: "Run", _robust_case: "Case", row: str, threat: str) -> None:
    """Test whether the row's figures may be believed: those of a suite, or of all attacks together."""
    _robust_parts.trust_test.test_trust(_robust_case, row, threat)
