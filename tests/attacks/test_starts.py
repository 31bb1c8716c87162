"""Several starts at once: the finds and the passes of restarts, whatever the batch; targets shared out."""

import pytest
import torch

from robust.attacks import PGD, LpThreat, Starts, Task, assail, make
from robust.attacks.combine.restarts import Restarts
from robust.attacks.combine.targets import rank_wrong
from robust.attacks.engine import count_copies, eval_mode
from robust.attacks.factory import describe
from robust.attacks.rng import Rng
from robust.attacks.source_options import check_options
from robust.attacks.spec import Spec
from tests.attacks.models import inputs, network

LINF = LpThreat.parse("linf:1/20")
SPECS = [
    ("pgd:starts=3:steps=3", "linf:1/20"),
    ("pgd:loss=margin:odi=2:starts=4:steps=3:targets=2", "l2:0.3"),
    ("square:starts=3:steps=20", "linf:1/20"),
    ("fab:starts=2:steps=5:targets=2", "l2:0.3"),
    ("apgd:starts=2:steps=5", "l1:2"),
]


def case(n=40):
    model, x = network(), inputs(n)
    return model, x, model(x).argmax(1)


@pytest.mark.parametrize(("spec", "threat"), SPECS)
def test_what_is_found_is_admitted_and_does_not_depend_on_the_batch(spec, threat):
    (model, x, y), attack, ball = case(), make(spec), LpThreat.parse(threat)
    whole = assail(model, attack, x, y, ball)
    parts = [
        assail(model, attack, x[rows], y[rows], ball, seed=Rng.of(0, rows)).adversarial
        for rows in torch.arange(len(x)).split(7)
    ]

    assert 0 < whole.adversarial.sum() < len(x)
    assert ball.admits(whole.x_adv, x).all()
    assert torch.equal(model(whole.x_adv).argmax(1) != y, whole.adversarial)
    assert torch.equal(torch.cat(parts), whole.adversarial)
    assert describe(attack) == spec


def test_it_takes_the_passes_of_as_many_restarts():
    model, x, y = case()
    resists = LpThreat.parse("linf:1/100000")
    once = assail(model, PGD(steps=4), x, y, resists).cost
    apart = assail(model, Restarts(PGD(steps=4), 5), x, y, resists).cost
    many = assail(model, Starts(PGD(steps=4), 5), x, y, resists).cost

    assert not assail(model, PGD(steps=4), x, y, resists).adversarial.any()
    assert many.backwards.tolist() == apart.backwards.tolist() == (5 * once.backwards).tolist()
    assert many.forwards.tolist() == apart.forwards.tolist()


def test_more_starts_find_more():
    model, x, y = case(200)
    found = [int(assail(model, Starts(PGD(steps=2), k), x, y, LINF).adversarial.sum()) for k in (1, 4, 16)]

    assert found[0] < found[1] < found[2]


def test_the_largest_margin_is_that_of_the_best_start():
    model, x, y = case()
    resists = LpThreat.parse("linf:1/100000")
    margins = [assail(model, Starts(PGD(steps=1), k), x, y, resists).margin for k in (1, 8)]

    assert (margins[0] <= margins[1]).all()
    assert (margins[0] < margins[1]).any()


@pytest.mark.parametrize(("starts", "expected"), [(2, [0, 1]), (5, [0, 1, 2, 0, 1])])
def test_starts_aim_at_the_targets_in_turn(starts, expected):
    model, x, y = case(6)
    task = Task.of(model, x, y, LINF, Rng.of(0, torch.arange(6)))
    with eval_mode(model), torch.no_grad():
        state = Starts(PGD(steps=1), starts, targets=3).init(task)
        ranked = rank_wrong(task, 3)

    assert torch.equal(state.spread.target, ranked[:, expected])
    assert not (ranked == y[:, None]).any()


def test_words():
    model, x, y = case(4)

    assert isinstance(make("pgd:starts=3:restarts=2"), Restarts)
    assert make("pgd:starts=4:targets=2") == Starts(PGD(), 4, 2)
    assert count_copies(make("pgd:starts=3:restarts=2")) == 3
    assert count_copies(make("pgd:targets=3")) == 1
    with pytest.raises(ValueError, match="starts must be at least 1, got 0"):
        check_options(Spec.parse("pgd:starts=0"))
    with pytest.raises(ValueError, match="the model has 10 classes, so at most targets=9"):
        assail(model, make("pgd:starts=2:targets=10"), x, y, LINF)
