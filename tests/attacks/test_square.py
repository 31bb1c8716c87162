"""Square and noise: attacks that ask for no gradient."""

import pytest
import torch

from robust.attacks import LpThreat, assail, make
from robust.attacks.zoo.square import Square, _picture
from tests.attacks.models import Linear, inputs, network

LINF = LpThreat.parse("linf:0.05")


@pytest.mark.parametrize("word", ["square:steps=30", "noise:steps=30"])
def test_each_step_is_one_question_and_no_gradient(word):
    model, x = network(), inputs(20)
    outcome = assail(model, make(word), x, model(x).argmax(1), LpThreat.parse("linf:1e-3"))

    assert (outcome.cost.forwards[~outcome.fallen] == 31).all()
    assert (outcome.cost.backwards == 0).all()


def test_on_a_linear_model_square_comes_near_to_what_can_be_broken():
    model, x = Linear(12), inputs(60, (3, 4)) - 0.5
    y = model(x).argmax(1)
    threat = LpThreat.parse("linf:0.05", -100, 100)
    fallen = assail(model, Square(steps=1000), x, y, threat).fallen

    can = model.best_margin(x, y, "linf", 0.05) > 0
    assert (fallen <= can).all()
    assert fallen.sum() >= 0.95 * can.sum()


def test_it_breaks_about_as_much_as_that_of_torchattacks():
    model, x = network(dtype=torch.float32), inputs(100, dtype=torch.float32)
    y = model(x).argmax(1)
    ours = assail(model, Square(steps=300), x, y, LINF).fallen
    theirs = assail(model, make("torchattacks:Square:n_queries=300"), x, y, LINF).fallen

    assert ours.sum() >= theirs.sum() - 2


def test_square_breaks_more_than_noise():
    model, x = network(), inputs(100)
    y = model(x).argmax(1)

    assert assail(model, Square(steps=300), x, y, LINF).fallen.sum() > (
        assail(model, make("noise:steps=300"), x, y, LINF).fallen.sum()
    )


@pytest.mark.parametrize(
    ("shape", "picture"),
    [((8,), (1, 1, 8)), ((3, 4), (1, 3, 4)), ((2, 3, 4), (2, 3, 4)), ((5, 2, 3, 4), (10, 3, 4))],
)
def test_every_input_is_a_picture(shape, picture):
    x = inputs(6, shape)

    assert _picture(x).shape == (6, *picture)
    assert torch.equal(_picture(x).reshape(x.shape), x)


def test_a_window_is_of_the_scheduled_area_and_inside():
    x = _picture(inputs(200, (3, 10, 10)))
    from robust.attacks import Rng

    rng = Rng.of(0, torch.arange(200))
    areas = [Square(steps=1000)._window(rng, x, k).flatten(1).sum(1).unique() for k in (0, 1, 5, 999)]
    assert [area.tolist() for area in areas] == [[81], [42], [20], [1]]


def test_square_says_what_to_use_for_another_norm():
    model, x = network(), inputs(5)

    with pytest.raises(ValueError, match="square is for linf, the threat is l2; use noise"):
        assail(model, Square(), x, model(x).argmax(1), LpThreat.parse("l2:1"))


@pytest.mark.parametrize("word", ["square:steps=0", "square:area=0", "square:area=2", "noise:steps=0"])
def test_wrong_options_are_refused(word):
    with pytest.raises(ValueError, match="must be"):
        make(word)
