"""The ladder of a curve: which rungs there are for which inputs, and how a suite's dearest attack is made lighter."""

import pytest

from robust.attacks.factory import no_models
from robust.attacks.suite import read_suite
from robust.evaluation.ladder import FEW, ladder, lighten


@pytest.mark.parametrize(
    ("text", "lighter"),
    [
        ("pgd:loss=margin:starts=3:steps=20", "pgd:loss=margin:starts=2:steps=12"),
        ("pgd:starts=1:steps=1", "pgd:starts=1:steps=1"),
        ("fab:steps=75:targets=4", "fab:steps=75:targets=4"),
    ],
)
def test_an_attack_of_several_starts_is_made_lighter(text, lighter):
    assert lighten(text) == lighter


@pytest.mark.parametrize(("norm", "own"), [("linf", 3), ("l2", 2), ("l1", 1)])
def test_inputs_of_few_values_get_more_starts_and_a_longer_descent(norm, own):
    def names(features):
        return [rung.name for rung in ladder(norm, [read_suite("standard-1", None)], 3, no_models, features=features)]

    assert names(None) == names(FEW + 1)
    more = [name for name in names(FEW) if name not in names(None)]
    assert len(more) == own
    assert more[-1].startswith("fine-descent:steps=300")


def test_all_but_the_first_attack_and_the_descents_are_tried_on_few_samples():
    rungs = ladder("linf", [read_suite("standard-1", None)], 10, no_models)
    assert [rung.few for rung in rungs[:2]] == [False, False]
    assert all(rung.few for rung in rungs[2:] if "descent" not in rung.name)
    within = [rung.name for rung in rungs if rung.name.startswith("within 0.99:")]
    assert within
    assert not any("loss=margin" in name for name in within)  # the descents ascend it
