"""Findings whose likely cause is the training that the card names."""

import pytest

from robust.records.trust import Finding, TrustReport
from robust.trust.training_cause import explain_by_training


def explained(recipe, name="no-gradient", grade="suspect"):
    report = TrustReport((Finding(name, grade, 0.145, "seen", "look for detach"),), (), (), (), 0.0)
    (finding,) = explain_by_training(report, recipe).findings
    return finding.hint


@pytest.mark.parametrize("recipe", ["fgsm-rs", "fgsm-rs:epochs=1", "fgsm-rs+ema:epochs=1", "free", "n-fgsm"])
@pytest.mark.parametrize("name", ["no-gradient", "zero-gradient", "single-step-wins"])
def test_a_single_step_recipe_is_named_as_the_cause_of_a_gradient_that_is_gone(recipe, name):
    hint = explained(recipe, name)

    assert "catastrophic overfitting is the likely cause; train with pgd-at" in hint
    assert recipe.partition(":")[0].partition("+")[0] in hint
    assert "detach" not in hint


@pytest.mark.parametrize(
    ("recipe", "name", "grade"),
    [("", "no-gradient", "suspect"), ("pgd-at", "no-gradient", "broken"), ("fgsm-rs", "guessing", "broken"),
     ("fgsm-rs", "no-gradient", "trusted")],
)  # fmt: skip
def test_other_findings_keep_their_hints(recipe, name, grade):
    assert explained(recipe, name, grade) == "look for detach"
