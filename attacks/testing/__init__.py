"""The contract of attacks, as checks that the tests of third parties can use too. They need torch alone.

    import pytest
    from robust.attacks.testing import CHECKS, Case

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_attack_keeps_the_contract(check):
        check(Case(MyAttack(), "l2"))

`check_attack(MyAttack())` runs all of them under every norm. A check that fails raises an AssertionError that says what
the attack did, and what was expected.
"""

from robust.attacks.testing.case import Case, norms_of
from robust.attacks.testing.checks import CHECKS, check_attack, check_refusal

__all__ = ["CHECKS", "Case", "check_attack", "check_refusal", "norms_of"]
