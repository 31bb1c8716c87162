"""Checks share what they ask, and ask no more where the first answers are clear or no finding could follow."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks.threats.lp import LpThreat
from robust.evaluation.batching import Batcher
from robust.records.trust import NotApplicableError
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, PREFLIGHT, examine
from robust.trust.indicators.memorised import COARSE
from robust.trust.mitigated_attack import choose_mitigations
from robust.trust.model_probe import CLEAN_PASSES, ModelProbe
from robust.trust.preflight._better import find_improvement
from tests.attacks.models import inputs, network
from tests.trust.faults import DIGITS, Nearest, make_linear

SAMPLES = DIGITS.load("test", 60)


def make_model_probe(module, n=60):
    return ModelProbe(module.eval(), SAMPLES.take(np.arange(n)), DIGITS, 0, Batcher(250))


def make_probe(module, robust, **changes):
    """Make the probe of a row in which so many samples are robust."""
    adversarial = np.arange(60) >= robust
    threat = LpThreat.parse("linf:0.1")
    probe = AttackProbe(
        module.eval(), SAMPLES, np.ones(60, bool), adversarial, threat, ("fgsm", "pgd"), 10, 0, Batcher(250)
    )
    return replace(probe, **changes)


@pytest.mark.parametrize(("n", "each"), [(16, 16), (60, 8)])
def test_preflight_takes_few_passes_of_each_sample_of_a_sound_model(n, each):
    probe = make_model_probe(Nearest(), n)

    report = examine(PREFLIGHT, probe)
    assert not report.findings
    assert sum(part.passes for part in report.parts) <= each * n


def test_the_small_batch_follows_the_number_of_samples():
    assert [make_model_probe(Nearest(), n).n_small for n in (5, 16, 60)] == [5, 8, 15]


class Dead(nn.Module):
    """A model that passes no gradient where the first value of an input is above a bound."""

    def __init__(self, bound, scale=1.0):
        super().__init__()
        self.base, self.bound, self.scale = make_linear(), bound, scale

    def forward(self, x):
        return self.scale * self.base(torch.where(x.flatten(1)[:, :1, None, None] > self.bound, x.detach(), x))


@pytest.mark.parametrize(
    ("module", "every"),
    [(make_linear(), False), (Dead(2.0), False), (Dead(-1.0), True), (Dead(2.0, 1e4), True)],
    ids=["sound", "beyond all", "at all", "sure"],
)
def test_all_gradients_are_computed_where_some_may_be_0(module, every):
    probe = make_model_probe(module)
    expected = 60 if every else probe.n_small

    assert len(probe.gradients.margin_size) == expected
    assert len(probe.gradients.margin) == probe.n_small


def test_the_gradients_answer_those_who_look_whether_one_is_asked_for():
    probe = make_model_probe(make_linear())

    before = probe.budget.spent
    assert PREFLIGHT.get("depends-on-grad")(probe) is None
    assert PREFLIGHT.get("no-gradient")(probe) is None
    assert PREFLIGHT.get("saturated")(probe) is None
    noise = probe.count_passes("noise", "logits")
    assert noise == 0
    assert probe.budget.spent - before == 60 + probe.n_small + 6 * (probe.n_small // 4) + CLEAN_PASSES * probe.n_small


def test_another_form_is_not_tried_if_the_best_would_be_luck():
    probe = make_model_probe(Nearest())
    y, wrong = probe.samples.y, 7  # of 8 it would not be luck
    y[:] = probe.predicted
    y[:wrong] = (y[:wrong] + 1) % 10
    before = probe.budget.spent

    assert probe.correct.sum() == 60 - wrong
    assert find_improvement(probe, {"turned": lambda x: x[:, :, ::-1].copy()}) is None
    assert probe.budget.spent == before


@pytest.mark.parametrize(
    "name",
    [
        "gradient-free-wins",
        "hidden-logits-win",
        "labels-win",
        "margin-wins",
        "more-steps-pay",
        "noise-wins",
        "targets-win",
        "transfer-wins",
    ],
)
@pytest.mark.parametrize("robust", [0, 2])
def test_what_cannot_be_significant_is_not_searched_for(name, robust):
    probe = make_probe(make_linear(), robust)
    if name in ("hidden-logits-win", "targets-win"):
        assert not probe.randomised
    before = probe.budget.spent

    assert INDICATORS.get(name)(probe) is None
    assert probe.budget.spent == before


@pytest.mark.parametrize("name", ["single-step-wins", "wrong-gradient"])
def test_a_figure_of_0_is_not_too_high_whatever_the_gradient_is(name):
    with pytest.raises(NotApplicableError, match="no sample is robust"):
        INDICATORS.get(name)(make_probe(make_linear(), 0))


def test_answers_from_before_the_attacks_are_not_asked_for_again():
    module = make_linear()
    before = make_probe(module, 0).answer()
    probe = make_probe(module, 20, before=before)

    assert np.allclose(probe.lead, make_probe(module, 20).lead)
    assert probe.take_first(8).answers.equal(before[:8])
    assert probe.budget.spent == probe.count_answers() == 0


def test_a_right_gradient_is_clear_from_few_slopes():
    probe = make_probe(make_linear(), 60)
    assert not probe.randomised
    before = probe.budget.spent

    assert INDICATORS.get("wrong-gradient")(probe) is None
    assert probe.budget.spent - before <= 10 * 24


def test_a_margin_that_changes_gradually_is_measured_at_few_radii():
    probe = make_probe(make_linear(), 60)
    assert not probe.randomised
    before = probe.budget.spent

    assert INDICATORS.get("memorised")(probe) is None
    assert probe.budget.spent - before <= (len(COARSE) + 6) * 16 + 6 * 8  # of 23 radii


def test_passes_of_a_fork_are_counted():
    probe = make_model_probe(make_linear())
    assert probe.deterministic
    before = probe.budget.spent

    assert PREFLIGHT.get("keeps-state")(probe) is None
    assert probe.budget.spent - before == 2 * 15 + 17 * 3


class Branched(nn.Module):
    """Two branches, of which the one that decides passes no gradient."""

    def __init__(self):
        super().__init__()
        self.first, self.second = network(), network()
        for parameter in self.first.parameters():
            parameter.data *= 0.3

    def forward(self, x):
        with torch.no_grad():
            second = self.second(x)
        return self.first(x.flip(-1)) + second


def test_the_whole_is_followed_where_its_gradient_is_repaired():
    """A branch with nearly all labels once stood for it."""
    model, x = Branched().eval(), inputs(40)
    attack = choose_mitigations(model, x, LpThreat.parse("linf:0.2"))

    assert "true-gradient" in attack.names
    assert "inner-logits" not in attack.names
