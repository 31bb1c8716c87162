"""Defences that are broken on purpose are flagged for the right reason, and sound models are not.

`make gauntlet` runs the variants, too; these tests run without them.
"""

import pytest

from robust.attacks import LpThreat
from tests.trust import gauntlet
from tests.trust.evaluations import EVALUATION_VARIANTS, EVALUATIONS
from tests.trust.gauntlet import BASES, SOUND, SOUND_VARIANTS, samples, train
from tests.trust.hidden_gradient_cases import GAUNTLET
from tests.trust.report import (
    EVALUATION,
    SOUND_ATTACKS,
    measure_accuracy,
    measure_adaptive,
    measure_mitigated,
    run_checks,
)

MIN_GAIN = 15  # points of apparent accuracy that a defence must gain, or it tests nothing
MIN_GAP = 10  # points between what a plain evaluation reports of a defence and what an adaptive attack leaves
# One of each kind, on one base; `make gauntlet` runs them all.
SAMPLE = ("dead-coordinates", "cached-answers", "memorised-hills", "inverted-confidence")
SOUND_SAMPLE = (
    "cnn-standard",
    "cnn-trades",
    "batch-norm-standard",
    "batch-norm-fgsm-rs",
    "vit",
    "lstm",
    "mlp-pgd-at",
    "very-small",
)


@pytest.mark.parametrize("half", [gauntlet.GAUNTLET, gauntlet.VARIANTS, EVALUATIONS, EVALUATION_VARIANTS])
def test_names_are_unique_within_a_half(half):
    assert len({str(case) for case in half}) == len(half)


def test_both_halves_are_large():
    assert min(len(gauntlet.GAUNTLET), len(gauntlet.VARIANTS)) >= 45
    assert min(len(SOUND), len(SOUND_VARIANTS)) >= 30


def test_no_variant_is_a_copy():
    """A variant has another base or other code than the case of its name, if there is one."""
    first = {case.name: case for case in gauntlet.GAUNTLET}
    for case in gauntlet.VARIANTS:
        assert case.name not in first or case.base != first[case.name].base


@pytest.mark.parametrize("case", [case for case in gauntlet.GAUNTLET if case.name in SAMPLE], ids=str)
def test_a_plain_evaluation_reports_more_of_a_defence_than_an_attacker_leaves_who_knows_it(case):
    plain = measure_accuracy(make_defended(case), *EVALUATION, threat=LpThreat.parse(case.threat))
    assert plain >= measure_adaptive(case) + MIN_GAP


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


@pytest.mark.parametrize("name", SOUND_SAMPLE)
def test_a_sound_model_has_no_findings(name):
    assert run_checks(train(SOUND[name]), *SOUND_ATTACKS) == []
