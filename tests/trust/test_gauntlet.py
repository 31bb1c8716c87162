"""Defences that are broken on purpose are flagged for the right reason, and sound models are not.

`make gauntlet` runs the variants, too; these tests run without them.
"""

import pytest

from tests.trust.gauntlet import BASES, SOUND, samples, train
from tests.trust.hidden_gradient_cases import GAUNTLET
from tests.trust.report import EVALUATION, SOUND_ATTACKS, measure_accuracy, measure_mitigated, run_checks

MIN_GAIN = 15  # points of apparent accuracy that a defence must gain, or it tests nothing


def make_defended(case):
    return case.defend(train(BASES[case.base]), samples()).eval()


@pytest.mark.parametrize("case", GAUNTLET, ids=str)
def test_a_defence_fools_pgd(case):
    assert measure_accuracy(make_defended(case), "pgd") > measure_accuracy(train(BASES[case.base]), "pgd") + MIN_GAIN


@pytest.mark.parametrize("case", GAUNTLET, ids=str)
def test_it_is_flagged_for_the_right_reason(case):
    assert case.reasons & {*run_checks(make_defended(case), *EVALUATION)}


@pytest.mark.parametrize("case", [case for case in GAUNTLET if case.mitigated], ids=str)
def test_after_the_mitigations_a_defence_has_the_accuracy_of_its_undefended_base(case):
    assert measure_accuracy(train(BASES[case.base]), *EVALUATION) <= 2
    assert measure_mitigated(make_defended(case)) <= 2


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_model_has_no_findings(name):
    assert run_checks(train(SOUND[name]), *SOUND_ATTACKS) == []
