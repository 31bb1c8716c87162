"""Attacks of a model that only answers: which need its gradient."""

import pytest
import torch

from robust.attacks import ATTACKS, LpThreat, assail, make
from robust.attacks.factory import needs_gradient
from robust.attacks.task import NoGradientError
from robust.attacks.threats.threat import read_threat
from tests.attacks.models import inputs, network

LINF, L2 = LpThreat.parse("linf:0.05"), LpThreat.parse("l2:0.5")
ONLY_L2 = {"cw", "ddn"}
WORDS = [name for name in ATTACKS.names() if name != "torchattacks"]


def needs(word, threat=LINF, load=None):
    attack = make(word, load) if load else make(word)
    return needs_gradient(attack, torch.full((1, 3, 8, 8), 0.5), threat, 10)


@pytest.mark.parametrize("word", WORDS)
def test_all_attacks_but_three_need_a_gradient(word):
    assert needs(word, L2 if word in ONLY_L2 else LINF) == (word not in {"square", "noise", "rays"})


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("square:restarts=2", False),
        ("square:targets=3", False),
        ("noise:eot=2", False),
        ("square:odi=2", True),
        ("pgd:restarts=2", True),
        ("apgd:loss=dlr:targets=3", True),
        ("torchattacks:PGD", True),
        ("torchattacks:FAB", True),
        ("torchattacks:Square:n_queries=5", False),
    ],
)
def test_what_is_made_of_them_needs_what_they_need(word, answer):
    assert needs(word) == answer


def test_the_gradient_of_a_surrogate_is_none_of_the_models():
    model = network()

    assert not needs_gradient(make("pgd:surrogate=x", lambda text: model), inputs(1), LINF, 10)


def test_a_union_is_tried_too():
    assert needs("pgd", read_threat("l2:0.5+linf:0.1", 0, 1))
    assert not needs("square", read_threat("l2:0.5+linf:0.1", 0, 1))


@pytest.mark.parametrize("word", ["pgd", "deepfool"])
def test_a_model_without_a_gradient_is_reported_with_what_to_take(word):
    def answers(x):
        return torch.zeros(len(x), 10).index_fill(1, torch.tensor(3), 1.0)

    with pytest.raises(NoGradientError, match="take square or noise"):
        assail(answers, make(word), torch.rand(2, 3, 8, 8), torch.tensor([3, 3]), LINF)
