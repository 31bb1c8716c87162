"""Square and noise: attacks without gradients."""

import pytest
import torch

from robust.attacks import LpThreat, Rng, assail, make
from robust.attacks.zoo._images import draw_corners, make_bumps, mask_window, place_tiles, to_image
from robust.attacks.zoo.square import Square
from tests.attacks.models import Linear, inputs, network

LINF = LpThreat.parse("linf:0.05")


@pytest.mark.parametrize("word", ["square:steps=30", "noise:steps=30"])
def test_each_step_is_one_question_and_no_gradient(word):
    model, x = network(), inputs(20)
    outcome = assail(model, make(word), x, model(x).argmax(1), LpThreat.parse("linf:1e-3"))

    assert (outcome.cost.forwards[~outcome.adversarial] == 32).all()
    assert (outcome.cost.backwards == 0).all()


BALLS = ["linf:0.05", "l2:0.3"]
balls = pytest.mark.parametrize("ball", BALLS)


@pytest.mark.parametrize(("ball", "share"), [("linf:0.05", 0.95), ("l2:0.3", 0.75)])  # bumps only resemble a gradient
def test_on_a_linear_model_square_comes_near_to_what_can_be_broken(ball, share):
    model, x = Linear(12), inputs(60, (3, 4)) - 0.5
    y = model(x).argmax(1)
    threat = LpThreat.parse(ball, -100, 100)
    adversarial = assail(model, Square(steps=1000), x, y, threat).adversarial

    can = model.best_margin(x, y, threat.norm, float(threat.eps)) > 0
    assert (adversarial <= can).all()
    assert adversarial.sum() >= share * can.sum()


@balls
def test_it_breaks_about_as_much_as_that_of_torchattacks(ball):
    model, x = network(dtype=torch.float32), inputs(100, dtype=torch.float32)
    y, threat = model(x).argmax(1), LpThreat.parse(ball)
    ours = assail(model, Square(steps=300), x, y, threat).adversarial
    theirs = assail(model, make("torchattacks:Square:n_queries=300"), x, y, threat).adversarial

    assert ours.sum() >= theirs.sum() - 2


@balls
def test_square_breaks_more_than_noise(ball):
    model, x = network(), inputs(100)
    y, threat = model(x).argmax(1), LpThreat.parse(ball)

    assert assail(model, Square(steps=300), x, y, threat).adversarial.sum() > (
        assail(model, make("noise:steps=300"), x, y, threat).adversarial.sum()
    )


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((8,), (1, 1, 8)), ((3, 4), (1, 3, 4)), ((2, 3, 4), (2, 3, 4)), ((5, 2, 3, 4), (10, 3, 4))],
)
def test_every_input_is_apicture(shape, expected):
    x = inputs(6, shape)

    assert to_image(x).shape == (6, *expected)
    assert torch.equal(to_image(x).reshape(x.shape), x)


def test_a_window_is_of_the_scheduled_area_and_inside():
    x = to_image(inputs(200, (3, 10, 10)))
    rng = Rng.of(0, torch.arange(200))
    sizes = [Square(steps=1000)._size(x, k, 1) for k in (0, 1, 5, 999)]
    areas = [mask_window(x, draw_corners(rng, x, size), size).flatten(1).sum(1).unique() for size in sizes]

    assert [area.tolist() for area in areas] == [[81], [42], [20], [1]]


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 1), (3, 3), (5, 8)])
def test_bumps_are_put_whole_into_their_windows(size):
    x = to_image(inputs(30, (3, 9, 10)))
    corner = draw_corners(Rng.of(1, torch.arange(30)), x, size)
    for tile in make_bumps(size, x):
        found = place_tiles(tile.expand(30, -1, -1), x, corner)

        assert tile.norm() == pytest.approx(1)
        assert torch.equal(found != 0, mask_window(x, corner, size))
        for row, top, left in zip(found[:, 0], *corner, strict=True):
            assert torch.equal(row[top : top + size[0], left : left + size[1]], tile)


def test_square_says_what_to_use_for_another_norm():
    model, x = network(), inputs(5)

    with pytest.raises(ValueError, match="square is for linf and l2, the threat is l1; use noise"):
        assail(model, Square(), x, model(x).argmax(1), LpThreat.parse("l1:1"))


@pytest.mark.parametrize("word", ["square:steps=0", "square:area=0", "square:area=2", "noise:steps=0"])
def test_wrong_options_are_refused(word):
    with pytest.raises(ValueError, match="must be"):
        make(word)
