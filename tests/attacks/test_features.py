"""Tables: what the threat model admits is what numpy finds kept; fixed and missing values stay bit for bit."""

import re

import numpy as np
import pytest
import torch

from robust.attacks import ATTACKS, LpThreat, Rng, Union, assail, make
from robust.attacks.families import find_unfit
from robust.attacks.threats.threat import read_threat
from robust.attacks.words import GRADIENT_FREE
from robust.verification.tables import check_rows
from tests.tables import LOANS, NAMES, Net, rows, threat, train

N = 40
X, Y = rows(N)
MODEL = train(*rows(300, seed=1), hidden=8)
FOR_TABLES = [name for name in ATTACKS.names() if not find_unfit(ATTACKS.get(name), "features")]


def with_gaps():
    """Return rows of which some lack a value in a relation, in a group, and alone."""
    x = X.clone()
    x[3, 2] = x[4, 5] = x[5, 1] = x[6, 7] = torch.nan
    return x


def finite(model):
    return lambda x: model(x.nan_to_num(0.0))


def kept(threat, x_adv, x):
    """Return whether numpy finds all kept, for each row."""
    small, sound = check_rows(threat.table.content, x_adv.numpy(), x.numpy())
    return small & sound


def same_bits(a, b):
    return a.numpy().view(np.uint32) == b.numpy().view(np.uint32)


@pytest.mark.parametrize("x", [X, with_gaps()], ids=["whole", "with gaps"])
def test_what_is_drawn_projected_or_a_corner_is_admitted_and_numpy_agrees(x):
    table, rng = threat(), Rng.of(0, torch.arange(N))
    grad = rng.normal(x.nan_to_num(0.0))
    wild = x + 5000 * grad
    for found in (table.sample(x, rng), table.project(wild, x), table.corner(x, grad), table.project(x, x)):
        assert table.admits(found, x).all()
        assert kept(table, found, x).all()
        assert same_bits(found[:, 0], x[:, 0]).all()  # fixed
        assert same_bits(found, x)[x.isnan().numpy()].all()
    assert same_bits(table.project(x, x), x).all()


def test_admits_and_numpy_agree_on_what_is_broken():
    table = threat()
    generator = torch.Generator().manual_seed(0)
    x = X.repeat(20, 1)
    scale = torch.where(torch.rand(x.shape, generator=generator) < 0.15, 1.0, 0.0)
    size = torch.tensor([2, 2, 60, 40, 40, 40, 40, 1, 1, 1.0])
    x_adv = (x + scale * size * torch.randn(x.shape, generator=generator)).float()
    x_adv[::2] = x_adv[::2].round()
    x_adv[::4] = table.project(x_adv[::4], x[::4])

    assert (table.admits(x_adv, x).numpy() == kept(table, x_adv, x)).all()
    assert 0.25 < table.admits(x_adv, x).float().mean() < 0.9


# By feature: a change of the first row that one constraint alone forbids.
BROKEN = {
    "beyond eps": {"rent": 61.0, "spending": 61.0},
    "fixed": {"age": 1.0},
    "against its way": {"months": -1.0},
    "no whole number": {"months": 0.5},
    "two categories": {"job=none": 1.0},
    "an equality": {"rent": 1.0},
    "an inequality": {"income": -80.0},
    "half a category": {"job=none": 0.5, "job=temp": -0.5},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_row_that_breaks_one_constraint_is_admitted_by_neither(name):
    x = torch.tensor([[30, 100, 1150, 1100, 600, 300, 200, 0, 1, 0]], dtype=torch.float32)
    x_adv = x.clone()
    for feature, change in BROKEN[name].items():
        x_adv[0, NAMES.index(feature)] += change

    assert not threat().admits(x_adv, x).any()
    assert not kept(threat(), x_adv, x).any()
    assert threat().admits(threat().project(x_adv, x), x).all()


def test_what_is_not_touched_is_not_held_to_the_file():
    x = X[:1].clone()
    x[0, 3] += 500  # the relations do not hold, and an attacker may change other features
    x_adv = x.clone()
    x_adv[0, 1] += 3

    assert threat().admits(x_adv, x).all()
    assert kept(threat(), x_adv, x).all()
    assert not kept(threat(), x + torch.eye(10)[4:5], x).any()


def test_relations_among_integers_are_repaired_exactly():
    text = 'eps = 3\nunit = "own"\nrelations = ["a == 2 * b + c"]\n[features]\n'
    table = threat(text + "".join(f'{k} = {{lo = 0, hi = 50, type = "integer"}}\n' for k in "abc"))
    b, c = torch.arange(5, 15.0), torch.arange(3, 13.0)
    x = torch.stack([2 * b + c, b, c], 1)
    found = table.project(x + torch.tensor([2.4, 1.7, -2.6]), x)

    assert kept(table, found, x).all()
    assert (found != x).any(1).all()


@pytest.mark.parametrize("name", FOR_TABLES)
def test_every_attack_for_tables_finds_only_admitted_rows_whatever_the_batch(name):
    x, table, model = with_gaps(), threat(), finite(MODEL)
    attack = make(f"{name}:steps=8" if name not in ("fgsm", "ffgsm", "rfgsm") else name)
    whole = assail(model, attack, x, Y, table, seed=Rng.of(3, torch.arange(N)))
    parts = [assail(model, attack, x[at], Y[at], table, seed=Rng.of(3, at)) for at in torch.arange(N).flip(0).split(13)]

    assert kept(table, whole.x_adv, x).all()
    assert (model(whole.x_adv).argmax(1) != Y)[whole.adversarial].all()
    assert same_bits(whole.x_adv, x)[x.isnan().numpy() | (np.arange(10) == 0)].all()
    assert torch.cat([part.adversarial for part in parts]).flip(0).sum() == whole.adversarial.sum()


def test_other_attacks_refuse_a_table_and_the_others_a_ball():
    for name in ("fab", "square", "cw", "deepfool", "ddn", "fmn", "rays", "decision"):
        instead = "evolve or noise$" if name in GRADIENT_FREE else "capgd, "
        with pytest.raises(ValueError, match=f"{name} is for linf, l2, l1, the threat is features; use {instead}"):
            assail(MODEL, make(name), X, Y, threat())
    for name, instead in {"capgd": "pgd, apgd or noise", "evolve": "square, decision or noise"}.items():
        with pytest.raises(ValueError, match=f"{name} is for features, the threat is linf; use {instead}$"):
            assail(MODEL, make(name), X, Y, LpThreat.parse("linf:1", 0, 9000))


def test_a_union_with_a_ball_is_admitted_by_either():
    table = threat()
    union = Union((LpThreat.parse("linf:1", 0.0, 9000.0), table))
    outcome = assail(MODEL, make("pgd:steps=5"), X, Y, union)
    alone = assail(MODEL, make("pgd:steps=5"), X, Y, union.parts[0])

    assert union.admits(outcome.x_adv, X).all()
    assert (alone.adversarial & ~outcome.adversarial).sum() == 0
    assert str(read_threat(str(union), 0, 9000)) == str(union)


def test_rows_of_another_width_are_refused():
    with pytest.raises(ValueError, match=re.escape("names 10 features, and an input has the shape [7]")):
        threat().project(X[:, :7], X[:, :7])


def test_what_was_changed_needlessly_is_given_back():
    """Check that a model that looks at one feature without relations has adversarial rows that differ in it alone."""
    net = Net(X)
    with torch.no_grad():
        net.layers[0].weight.zero_()
        net.layers[0].weight[1, 1] = 1.0
        net.layers[0].bias.zero_()
    y = net(X).argmax(1)
    outcome = assail(net, make("capgd:steps=3"), X, y, threat())
    moved = outcome.x_adv != X

    assert outcome.adversarial.any()
    assert moved[outcome.adversarial].sum(0).tolist()[1] == int(outcome.adversarial.sum())
    assert moved.sum() == outcome.adversarial.sum()


def test_a_table_without_relations_needs_no_solver(monkeypatch):
    import scipy.optimize

    monkeypatch.setattr(scipy.optimize, "milp", None)
    table = threat(LOANS.replace('relations = ["spending == rent + food + other", "spending <= income"]', ""))

    assert table.admits(table.corner(X, torch.ones_like(X)), X).all()
