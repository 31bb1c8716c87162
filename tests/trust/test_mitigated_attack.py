"""The mitigations recognise the models that they suit, change no answer, and leave the model unchanged."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from robust.attacks import LpThreat, assail
from robust.attacks.combine.bestof import BestOf
from robust.attacks.rng import Rng
from robust.attacks.threats.threat import read_threat
from robust.trust.mitigated_attack import MitigatedAttack, choose_mitigations
from robust.trust.mitigations.inner_logits import find_inner
from tests.attacks.models import inputs, network
from tests.trust.misleading import Clamped, OneDecoy

THREAT = LpThreat.parse("linf:0.2")
ALWAYS = ("blur", "queries")


class Functional(nn.Module):
    """A defence in the forward method of a model itself, before or after its network."""

    def __init__(self, before=lambda x: x, after=lambda z: z):
        super().__init__()
        self.net, self.before, self.after = network(), before, after

    def forward(self, x):
        return self.after(self.net(self.before(x)))


class Step(nn.Module):
    def forward(self, x):
        return (4 * x).round() / 4


class Nearest(nn.Module):
    """A network that answers as for the nearest of its inputs."""

    def __init__(self, x, logits):
        super().__init__()
        self.x, self.logits = x.flatten(1), logits

    def forward(self, x):
        return self.logits[torch.cdist(x.flatten(1), self.x).argmin(1)]


def make_stepped():
    """Make a network with steps after its first activation."""
    first, *others = network()
    for k, layer in enumerate(others):
        if not [*layer.parameters()]:
            return nn.Sequential(first, *others[: k + 1], Step(), *others[k + 1 :])
    raise AssertionError("the network has no activation")


def round_levels(x):
    return (32 * x).round() / 32


def make_decoy():
    torch.manual_seed(0)
    return OneDecoy(network(), nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).double(), 5, 0.05, 300.0)


class Unseen(nn.Module):
    """A model whose functions no mode sees, as those of a compiled one; nor is it among the modules."""

    def __init__(self, model):
        super().__init__()
        self.hidden = (model,)

    def forward(self, x):
        with torch._C.DisableTorchFunction():
            return self.hidden[0](x)


@pytest.mark.parametrize(
    ("model", "mitigation"),
    [
        (Functional(before=round_levels), "straight-through"),
        (Functional(before=lambda x: round_levels(x).detach()), "straight-through"),
        (make_stepped(), "secant"),
        (Functional(after=lambda z: (100 * z).softmax(1)), "inner-logits"),
        (nn.Sequential(network(), nn.Softmax(1)), "inner-logits"),
        (Functional(after=lambda z: 1000 * z), "inner-logits"),
        (Functional(before=lambda x: x + 0.01 * torch.randn_like(x)), "expectation"),
        (make_decoy(), "inner-logits"),
        (Unseen(make_decoy()), "targets"),
    ],
)
def test_a_mitigation_is_applied_to_what_it_suits(model, mitigation):
    model, x = model.eval(), inputs(40)
    attack = choose_mitigations(model, x, THREAT)

    assert mitigation in attack.names
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize(
    "model", [network(), nn.Sequential(nn.BatchNorm2d(1).double(), network())], ids=["bare", "normalised"]
)
def test_a_sound_model_gets_only_the_general_mitigations(model):
    assert choose_mitigations(model.eval(), inputs(40), THREAT).names == ALWAYS


@pytest.mark.parametrize(
    "model",
    [Functional(before=round_levels), make_stepped(), Functional(before=lambda x: round_levels(x).detach())],
)
def test_a_mitigated_model_has_the_same_answers_and_a_gradient(model):
    model, x = model.eval(), inputs(10)
    mitigated = choose_mitigations(model, x, THREAT).model
    x.requires_grad_()
    answer = mitigated(x)
    (grad,) = torch.autograd.grad(answer.sum(), x)

    assert torch.allclose(answer, model(x), atol=1e-5)
    assert grad.flatten(1).any(1).all()


def test_what_the_attack_finds_is_adversarial_for_the_model_itself():
    model, x = Functional(before=round_levels).eval(), inputs(40)
    y = model(x).argmax(1)
    outcome = assail(model, choose_mitigations(model, x, THREAT).build(model), x, y, THREAT)

    assert outcome.adversarial.any()
    assert torch.equal(model(outcome.x_adv).argmax(1) != y, outcome.adversarial)


def test_of_two_networks_that_agree_on_the_samples_the_one_that_decides_is_followed():
    """A decoy that was trained as well as the base once stood for it, since it came last."""
    base, x = network(), inputs(40)
    decoy = Nearest(x, 2 * base(x).detach())
    assert torch.equal(decoy(x).argmax(1), base(x).argmax(1))

    assert find_inner(Clamped(base, decoy, 0.01).eval(), x).layers == ["base"]


def test_an_attack_that_aims_breaks_what_a_decoy_hides():
    model, x, threat = Unseen(make_decoy()), inputs(40), LpThreat.parse("linf:0.05")
    y, attack = model(x).argmax(1), choose_mitigations(model, x, threat).plain()
    attacks = attack.build(model), replace(attack, targets=0).build(model)
    aimed, nearest = (int(assail(model, each, x, y, threat).adversarial.sum()) for each in attacks)

    assert aimed >= nearest + 10


@pytest.mark.parametrize("text", ["linf:0.3", "l2:3", "l1:20", "linf:0.1+l2:1"])
def test_every_threat_model_has_an_attack(text):
    model, x, threat = network().eval(), inputs(20), read_threat(text)
    y = model(x).argmax(1)

    assert assail(model, choose_mitigations(model, x, threat).build(model), x, y, threat).adversarial.any()


def test_the_random_numbers_of_a_sample_do_not_depend_on_its_batch():
    model, x = network().eval(), inputs(30)
    y, attack = model(x).argmax(1), BestOf(MitigatedAttack(model, blur=0.5).build(model).attacks[-1:])
    threat = LpThreat.parse("l2:0.08")
    whole = assail(model, attack, x, y, threat)

    rows = torch.arange(len(x)).split(7)
    parts = torch.cat([assail(model, attack, x[part], y[part], threat, seed=Rng.of(0, part)).x_adv for part in rows])
    torch.testing.assert_close(parts, whole.x_adv)
    assert 0 < whole.adversarial.sum() < 30
