"""Models whose answers are read, as probabilities or parts of a container, are bounded as their logits."""

import pytest
import torch
from torch import nn

from robust.attacks.threats.threat import read_threat
from robust.certification.certify import Certifier
from robust.certification.errors import NoBoundsError
from robust.models.format import Terms
from robust.models.load import make_subject
from tests.plugin.forms_of_answers import TEN, TWO, Formed

BY_HAND = "softmax-by-hand"  # of which no step is known to have taken the logits
FORMS = [(10, form) for form in TEN.items() if form[0] != BY_HAND] + [(2, form) for form in TWO.items()]


def certifier_of(net, form, x):
    classes = net[1].out_features
    module = make_subject("net", Formed(net, form), Terms((1, 8, 8), classes, output="", inputs=x)).module
    return Certifier.of(module, x[:1], read_threat("linf:0.01"))


@pytest.mark.parametrize(("classes", "form"), FORMS, ids=[f"{k}-{form[0]}" for k, form in FORMS])
def test_every_form_has_the_bounds_of_its_network(classes, form):
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Flatten(), nn.Linear(64, classes)), torch.rand(4, 1, 8, 8)
    certifier, y = certifier_of(net, form[1], x), net(x).argmax(1)
    certifier.check(x)

    expected = Certifier.of(net, x[:1], read_threat("linf:0.01")).bound(x, y, "crown")
    assert torch.allclose(certifier.bound(x, y, "crown"), expected, atol=1e-4)


def test_probabilities_whose_logits_are_not_known_are_refused():
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    with pytest.raises(NoBoundsError, match=r"^[^\n]+$"):
        certifier_of(net, TEN[BY_HAND], torch.rand(4, 1, 8, 8))


class Sorted(nn.Sequential):
    def forward(self, x):
        return super().forward(x.sort()[0]).softmax(1)


def test_the_layer_that_has_no_bounds_is_named_as_the_user_knows_it():
    net = Sorted(nn.Flatten(), nn.Linear(64, 10))
    module = make_subject("net", net, Terms((1, 8, 8), 10, output="", inputs=torch.rand(4, 1, 8, 8))).module

    with pytest.raises(NoBoundsError, match=r"^the model's own forward \(aten::sort\)"):
        Certifier.of(module, torch.rand(1, 1, 8, 8), read_threat("linf:0.01"))
