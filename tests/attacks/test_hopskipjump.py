"""HopSkipJump and decision: searches along the boundary by labels alone, whose queries are counted."""

import pytest
import torch
from torch import nn

from robust.attacks import LpThreat, assail, make, minimize_norm
from robust.attacks.threats.threat import read_threat
from robust.attacks.zoo.decision import RAYS, Decision
from robust.attacks.zoo.hopskipjump import HopSkipJump
from robust.attacks.zoo.rays import RayS
from robust.settings.parsing import OptionError
from robust.settings.queries import COUNTED, count_queries, fit_queries
from tests.attacks.models import Linear, inputs, network

NORMS = ("linf", "l2")


class Counting(nn.Module):
    """A model that counts the inputs that it answers, and answers with labels alone."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.asked = inner, 0

    def forward(self, x):
        self.asked += len(x)
        return nn.functional.one_hot(self.inner(x).argmax(1), 10).float()


@pytest.mark.parametrize("norm", NORMS)
def test_on_a_linear_model_it_comes_near_the_distance(norm):
    model, x = Linear(12).requires_grad_(False), inputs(30, (3, 4)) - 0.5
    size = model.w.abs().sum() if norm == "linf" else model.w.norm()
    distance = model(x)[:, 1].abs() / size
    found = minimize_norm(model, HopSkipJump(3000), x, model(x).argmax(1), norm, bounds=(-2, 2))

    assert (found.distance >= distance - 1e-6).all()
    assert (found.distance / distance).median() < 1.05
    assert (found.cost.backwards == 0).all()


@pytest.mark.parametrize("norm", NORMS)
def test_it_breaks_what_is_nearer_than_eps_and_nothing_else(norm):
    model, x = Linear(12).requires_grad_(False), inputs(40, (3, 4)) - 0.5
    size = model.w.abs().sum() if norm == "linf" else model.w.norm()
    distance = model(x)[:, 1].abs() / size
    threat = LpThreat.parse(f"{norm}:{float(distance.median()):.4f}", -2, 2)
    outcome = assail(model, HopSkipJump(2000), x, model(x).argmax(1), threat)

    assert not outcome.adversarial[distance > float(threat.eps)].any()
    assert outcome.adversarial[distance < 0.85 * float(threat.eps)].all()


@pytest.mark.parametrize("norm", NORMS)
def test_nothing_beside_the_label_is_used(norm):
    inner, x = network().requires_grad_(False), inputs(20)
    y, threat = inner(x).argmax(1), LpThreat.parse(f"{norm}:{0.1 if norm == 'linf' else 1}")
    plain, labels = (assail(model, HopSkipJump(300), x, y, threat) for model in (inner, Counting(inner)))

    assert plain.adversarial.sum() > 0
    assert torch.equal(plain.x_adv, labels.x_adv)


@pytest.mark.parametrize("norm", NORMS)
def test_a_model_without_a_second_label_is_asked_to_the_end_and_keeps_its_samples(norm):
    class Constant(nn.Module):
        def forward(self, x):
            return torch.eye(10)[torch.zeros(len(x), dtype=torch.long)]

    outcome = assail(Constant(), HopSkipJump(40), inputs(3), torch.zeros(3).long(), LpThreat.parse(f"{norm}:0.3"))

    assert not outcome.adversarial.any()
    assert (outcome.cost.forwards == 42).all()


@pytest.mark.parametrize("name", [name for name in COUNTED if name != "search"])
@pytest.mark.parametrize("threats", [("linf:1e-4",), ("linf:0.2",), ("linf:1e-4+linf:2e-4",)], ids=str)
@pytest.mark.parametrize("queries", [10, 57])
def test_no_sample_takes_more_queries_than_were_given_and_each_is_counted(name, threats, queries):
    """One sample at a time, so that what the model has counted is of this one."""
    word = fit_queries(name, queries, threats, named=True)
    most = count_queries([make(word).steps], threats[0])
    assert queries - len(threats[0].split("+")) < most <= queries
    for k in range(3):
        model, x = Counting(network()), inputs(3)[k : k + 1]
        y = model.inner(x).argmax(1)
        outcome = assail(model, make(word), x, y, read_threat(threats[0]))

        assert model.asked == int(outcome.cost.forwards[0]) <= most
        if not outcome.adversarial[0]:
            assert model.asked == most


def test_fewer_queries_than_a_union_takes_are_refused():
    threats = ("+".join(f"linf:{k}/255" for k in range(1, 6)),)

    with pytest.raises(OptionError, match="a threat model of 5 parts takes 11 or more"):
        fit_queries("rays", 10, threats, named=True)
    word = fit_queries("rays", 11, threats, named=True)
    assert (word, count_queries([make(word).steps], threats[0])) == ("rays:steps=1", 11)


@pytest.mark.parametrize("threat", ["linf:0.02", "l2:0.2"])
def test_decision_begins_as_rays_and_finds_more_than_either_of_the_two(threat):
    model, x = network().requires_grad_(False), inputs(40)
    y, ball = model(x).argmax(1), LpThreat.parse(threat)
    short = RAYS[ball.norm] // 2
    ours, theirs = (assail(model, attack, x, y, ball) for attack in (Decision(short), RayS(short)))
    assert torch.equal(ours.x_adv, theirs.x_adv)
    assert torch.equal(ours.cost.forwards, theirs.cost.forwards)

    whole, *parts = (
        assail(model, attack(2000), x, y, ball).adversarial.sum() for attack in (Decision, RayS, HopSkipJump)
    )
    assert whole >= max(parts) > 0
    assert whole > min(parts)


@pytest.mark.parametrize("attack", [HopSkipJump(3), Decision(3)], ids=["hopskipjump", "decision"])
def test_l1_is_refused(attack):
    model, x = network(), inputs(4)

    with pytest.raises(ValueError, match="is for linf and l2, the threat is l1; use "):
        assail(model, attack, x, model(x).argmax(1), LpThreat.parse("l1:1"))


@pytest.mark.parametrize(
    ("options", "word"), [({"steps": 0}, "steps"), ({"estimates": 0}, "estimates"), ({"gamma": 0.0}, "gamma")]
)
def test_options_out_of_range_are_refused(options, word):
    with pytest.raises(ValueError, match=word):
        HopSkipJump(**options)
