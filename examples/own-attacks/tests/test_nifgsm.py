"""The contract that the plugin's own attacks keep: what is found is admitted, the model is left as found, and so on."""

import pytest

from attacks.nifgsm import NIFGSM
from robust.attacks.testing import CHECKS, Case


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_the_contract(check, norm):
    check(Case(NIFGSM(), norm))
