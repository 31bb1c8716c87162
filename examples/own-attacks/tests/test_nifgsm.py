"""The contract of the plugin's attacks, checked for NI-FGSM: results within the threat, the model unchanged."""

import pytest

from attacks.nifgsm import NIFGSM
from robust.attacks.testing import CHECKS, Case


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_the_contract(check, norm):
    check(Case(NIFGSM(), norm))
