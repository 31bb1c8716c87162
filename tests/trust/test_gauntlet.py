"""Defences that are broken on purpose are flagged for the right reason, and sound models are not.

`make gauntlet` runs the variants, too; these tests run without them.
"""

import pytest

from robust.attacks import LpThreat
from tests.trust import gauntlet
from tests.trust.evaluations import EVALUATION_VARIANTS, EVALUATIONS
from tests.trust.gauntlet import BASES, SOUND, SOUND_VARIANTS, train
from tests.trust.hidden_gradient_cases import GAUNTLET
from tests.trust.report import EVALUATION, defend, measure_accuracy, measure_adaptive, tell_defence, tell_sound

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
    plain = measure_accuracy(defend(case), *EVALUATION, threat=LpThreat.parse(case.threat))
    assert plain >= measure_adaptive(case) + MIN_GAP


@pytest.mark.parametrize("case", GAUNTLET, ids=str)
def test_a_defence_fools_pgd(case):
    assert measure_accuracy(defend(case), "pgd") > measure_accuracy(train(BASES[case.base]), "pgd") + MIN_GAIN


@pytest.mark.parametrize("case", GAUNTLET, ids=str)
def test_it_is_flagged_for_the_right_reason_and_reported_as_the_undefended_base(case):
    told = tell_defence(case)

    assert case.reasons & told.stayed
    assert told.verdict.startswith("broken")
    if case.mitigated:
        assert told.mitigated <= 2


def test_the_undefended_bases_fall():
    for base in {case.base for case in GAUNTLET if case.mitigated}:
        assert measure_accuracy(train(BASES[base]), *EVALUATION) <= 2


@pytest.mark.parametrize("name", SOUND_SAMPLE)
def test_a_sound_model_has_no_findings(name):
    told = tell_sound(SOUND[name])

    assert told.report.findings == ()
    assert told.verdict == "trusted"
