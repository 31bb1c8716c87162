"""Attacks of a model that only answers: which need its gradient."""

import pytest
import torch

from robust.attacks import ATTACKS, LpThreat, assail, make
from robust.attacks.factory import find_refusal, needs_gradient
from robust.attacks.grammar.norms import NORMS
from robust.attacks.task import NoGradientError
from robust.attacks.testing import norms_of
from robust.attacks.threats.threat import read_threat
from robust.attacks.words import GRADIENT_FREE
from tests.attacks.models import inputs, network

LINF, L2 = LpThreat.parse("linf:0.05"), LpThreat.parse("l2:0.5")
ONLY_L2 = {"cw", "ddn"}
OTHERS = [name for name in ATTACKS.names() if not {*NORMS} & {*getattr(ATTACKS.get(name), "families", NORMS)}]
WORDS = [name for name in ATTACKS.names() if name not in {"torchattacks", *OTHERS}]


def needs(word, threat=LINF, load=None):
    attack = make(word, load) if load else make(word)
    return needs_gradient(attack, torch.full((1, 3, 8, 8), 0.5), threat, 10)


@pytest.mark.parametrize("word", WORDS)
def test_all_attacks_need_a_gradient_but_those_that_say_so(word):
    assert needs(word, L2 if word in ONLY_L2 else LINF) == (word not in GRADIENT_FREE)


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


THEIRS = ["torchattacks:PGD", "torchattacks:PGDL2", "torchattacks:APGD:steps=5"]


@pytest.mark.parametrize("word", [*WORDS, "cw:restarts=2", "rays:eot=2", "square:odi=2", "pgd:targets=3", *THEIRS])
def test_an_attack_refuses_the_norms_that_it_is_not_for_and_no_other(word, capsys):
    threats, x = map(LpThreat.parse, ("linf:0.1", "l2:1", "l1:5")), torch.full((1, 3, 8, 8), 0.5)
    refusals = {threat.norm: find_refusal(word, x, threat, 10) for threat in threats}

    assert capsys.readouterr().out == ""
    assert tuple(norm for norm, refusal in refusals.items() if not refusal) == norms_of(word)
    assert all(norm in refusal and "use " in refusal for norm, refusal in refusals.items() if refusal)


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("shape", [(3,), (1, 8, 8), (2, 2, 4, 4)])
def test_what_an_attack_needs_otherwise_is_no_refusal_of_a_norm(shape, classes):
    for word in ("torchattacks:DIFGSM", "apgd:loss=dlr", "pgd:targets=9", "pgd:surrogate=x"):
        assert find_refusal(word, torch.zeros(1, *shape), LINF, classes) == ""
