"""The contract that every attack of the plugin keeps, too: what is found is admitted, nothing is written on the model..."""

import pytest
from robust.attacks.testing import CHECKS, Case

from attacks.nifgsm import NIFGSM


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_the_contract(check, norm):
    check(Case(NIFGSM(), norm))
