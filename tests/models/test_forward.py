"""Side effects of a forward: what it writes is put back, and any size of batch is taken."""

import pytest
import torch
from torch import nn

from robust.attacks.engine import assail
from robust.attacks.factory import make
from robust.attacks.threats.threat import read_threat
from robust.models.format import Terms
from robust.models.load import hash_weights, make_subject
from tests.plugin.forms_of_state import NOTES, SAME
from tests.trust.faults import DIGITS, make_linear

THREAT = read_threat("linf:0.15", 0, 1)
SAMPLES = DIGITS.load("test")
X, Y = torch.from_numpy(SAMPLES.x[:70]), torch.from_numpy(SAMPLES.y[:70])


def subject_of(module):
    return make_subject("net", module, Terms(shape=(1, 8, 8), classes=10, inputs=X[:16]))


@pytest.mark.parametrize("form", SAME)
def test_every_form_answers_and_falls_as_the_plain_network(form):
    torch.manual_seed(0)
    subject = subject_of(SAME[form](make_linear()))
    before = hash_weights(subject.module)
    plain, found = (assail(m, make("pgd:steps=5"), X, Y, THREAT) for m in (make_linear(), subject.module))

    assert torch.equal(plain.adversarial, found.adversarial)
    assert 0.1 < found.adversarial.float().mean() < 0.9
    assert torch.allclose(plain.margin, found.margin, atol=1e-4)
    assert hash_weights(subject.module) == before == hash_weights(subject_of(subject.module).module)
    assert "; ".join(subject.notes).startswith(NOTES.get(form, ""))
    assert bool(subject.notes) == (form in NOTES)


@pytest.mark.parametrize("last", [nn.Softmax(1), nn.Sigmoid()])
def test_probabilities_of_a_model_that_takes_one_size_of_batch_are_read_in_each_part(last):
    module = nn.Sequential(SAME["viewed"](make_linear()), last)
    logits = subject_of(module).module(X)

    assert torch.allclose(logits, make_linear()(X), atol=1e-5)


class Norm(nn.Module):
    """Statistics of the batch, which two of a size share."""

    def forward(self, x):
        return (x.flatten(1) - x.flatten(1).mean(0))[:, :10]


@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_one_number_a_sample_is_no_reason_to_fill_up(scale):
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))
    module[1].weight.data *= scale
    module[1].bias.data += 9

    terms = Terms(shape=(1, 8, 8), classes=2, inputs=X[:16])
    assert subject_of(make_linear()).notes == ()
    assert make_subject("net", module, terms).notes == ("its one number a sample is taken as the logit of class 1",)


def test_answers_that_depend_on_the_batch_are_left_to_the_preflight():
    assert subject_of(Norm()).notes == ()
