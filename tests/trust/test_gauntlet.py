"""Defences that are broken on purpose are flagged, for the right reason, and honest models are not.

`make gauntlet` runs all of it with the variants; here is what covers every check.
"""

import pytest

from tests.trust.gauntlet import BASES, GAUNTLET, HONEST, samples, trained
from tests.trust.report import EVALUATION, SOUND, doubted, left, mitigated

TOLD = 15  # points that a defence must pretend, or it is no test


def defended(case):
    return case.defend(trained(BASES[case.base]), samples()).eval()


@pytest.mark.parametrize("case", GAUNTLET, ids=str)
def test_a_defence_fools_pgd(case):
    assert left(defended(case), "pgd") > left(trained(BASES[case.base]), "pgd") + TOLD


@pytest.mark.parametrize("case", GAUNTLET, ids=str)
def test_it_is_flagged_for_the_right_reason(case):
    assert case.reasons & {doubt.name for doubt in doubted(defended(case), *EVALUATION).doubts}


@pytest.mark.parametrize("case", [case for case in GAUNTLET if case.mitigated], ids=str)
def test_the_mitigations_leave_what_they_leave_of_the_undefended_twin(case):
    assert left(trained(BASES[case.base]), *EVALUATION) <= 2
    assert mitigated(defended(case)) <= 2


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_model_is_trusted(name):
    assert doubted(trained(HONEST[name]), *SOUND).doubts == ()
