"""Ensembles: the meaning of their answers, for attacks and checks too."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from robust.attacks import Rng, assail, make
from robust.attacks.losses import LOSSES
from robust.attacks.task import Task
from robust.attacks.threats.lp import LpThreat
from robust.models.ensemble import Ensemble
from tests.attacks.models import Affine, inputs, network
from tests.trust.faults import Nearest
from tests.trust.test_preflight import run_preflight

NETS = [network().requires_grad_(False), Affine(10, features=64).requires_grad_(False)]


class Plain(nn.Module):
    """The textbook's ensemble: the logarithm of the mean probabilities."""

    def forward(self, x):
        return sum(net(x).softmax(1) for net in NETS).div(len(NETS)).log()


def test_its_softmax_is_the_mean_of_its_members():
    x = inputs(20)

    torch.testing.assert_close(Ensemble(NETS)(x).softmax(1), sum(net(x).softmax(1) for net in NETS) / 2)


def test_the_logits_of_one_model_are_its_own():
    x = inputs(20)

    torch.testing.assert_close(Ensemble(NETS[:1])(x), NETS[0](x))
    torch.testing.assert_close(Ensemble(NETS[:1] * 3)(x), NETS[0](x))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("target", [None, 3], ids=["untargeted", "targeted"])
def test_attacks_climb_the_same_slope(loss, target):
    """Shift all logits by the same amount, which no loss of differences sees."""
    x = inputs(20)
    y = Plain()(x).argmax(1)
    aim = None if target is None else torch.full_like(y, target)
    tasks = [
        Task.of(model, x, y, LpThreat.parse("l2:1"), Rng.of(0, torch.arange(20))) for model in (Plain(), Ensemble(NETS))
    ]
    (_, value, grad), (_, expected, slope) = (replace(task, target=aim).ascent(x, loss) for task in tasks)

    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(grad, slope)


@pytest.mark.parametrize("spec", ["pgd:steps=5", "apgd:steps=10:loss=dlr", "fab:steps=10:targets=2"])
def test_attacks_break_the_same_samples(spec):
    x = inputs(40)
    y = Plain()(x).argmax(1)
    one, other = (
        assail(model, make(spec), x, y, LpThreat.parse("l2:0.3")).adversarial for model in (Plain(), Ensemble(NETS))
    )

    assert 0 < one.sum() < 40
    assert torch.equal(one, other)


def test_its_answers_are_not_taken_for_logarithms_of_probabilities():
    class Loud(Nearest):
        def forward(self, x):
            return 2 * super().forward(x)

    assert "log-probabilities" in run_preflight(Nearest(last=lambda z: z.log_softmax(1)))
    assert not run_preflight(Ensemble([Nearest(), Loud()]))


def test_values_are_averaged_and_each_label_has_the_mean_of_its_probabilities():
    x = inputs(20)
    answers = torch.stack([net(x) for net in NETS])

    torch.testing.assert_close(Ensemble(NETS, "values")(x), answers.mean(0))
    torch.testing.assert_close(Ensemble(NETS, "bits")(x).sigmoid(), answers.sigmoid().mean(0))
    torch.testing.assert_close(Ensemble(NETS[:1], "bits")(x), answers[0])
