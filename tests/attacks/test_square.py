"""Square and noise: attacks without gradients."""

import math
from bisect import bisect_right

import pytest
import torch

from robust.attacks import LpThreat, Rng, Task, assail, make
from robust.attacks.zoo._images import Frame, Windows, draw_windows, make_bumps, to_image, window_pixels
from robust.attacks.zoo.square import DRAWS, Square, _ends, bump_size, square_size
from tests.attacks.models import Linear, inputs, network

LINF, CPU = LpThreat.parse("linf:0.05"), torch.device("cpu")


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


def test_squares_have_the_scheduled_area():
    frame = Frame(3, 10, 10)
    levels = [bisect_right(_ends(1000), k) for k in (0, 1, 5, 999)]

    assert [math.prod(square_size(frame, 0.8 / 2**level, 1)) for level in levels] == [81, 42, 20, 1]


@pytest.mark.parametrize(("steps", "channels"), [(1, 1), (7, 3), (1000, 1), (1000, 200), (300, 3000)])
def test_each_step_has_a_place_in_a_block_of_one_size(steps, channels):
    square, k = Square(steps=steps), 0
    while k < steps:
        level = bisect_right(_ends(steps), k)
        place, count = square._block(k, level, channels)

        assert place == 0
        assert count * (channels + 5) <= max(DRAWS, channels + 5)
        for j in range(count):
            assert square._block(k + j, bisect_right(_ends(steps), k + j), channels) == (j, count)
        assert bisect_right(_ends(steps), k + count - 1) == level
        k += count

    assert k == steps


def _windows(size, frame, n=40, windows=1):
    draws = draw_windows(Rng.of(1, torch.arange(n)), frame, size, 6, windows, CPU)
    return Windows(*(draw[:, 3] for draw in draws))


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 1), (3, 3), (5, 8), (9, 10)])
def test_windows_lie_inside_and_everywhere(size):
    frame = Frame(3, 9, 10)
    pixels = window_pixels(size, frame, CPU)
    counts = torch.zeros(3000, 3 * 9 * 10).scatter(1, _windows(size, frame, 3000).first + pixels, 1.0).view(-1, *frame)

    assert (counts.sum((2, 3)) == math.prod(size)).all()
    for axis, side in ((2, size[0]), (1, size[1])):
        assert (counts[:, 0].amax(axis).sum(1) == side).all()  # a window is a rectangle of full sides
    assert (counts.sum(0) > 0).all()


def test_the_windows_of_a_sample_are_those_of_the_sample_alone():
    frame, rng = Frame(2, 7, 7), Rng.of(5, torch.arange(9))
    together = draw_windows(rng, frame, (3, 3), 11, 2, CPU)
    alone = draw_windows(rng.only(torch.arange(9) == 4), frame, (3, 3), 11, 2, CPU)

    assert all(torch.equal(a[4:5], b) for a, b in zip(together, alone, strict=True))


@pytest.mark.parametrize("size", [(1, 5), (3, 3), (4, 6)])
def test_bumps_are_of_length_1_and_fill_their_windows(size):
    bumps = make_bumps(size, torch.float64, CPU)

    assert bumps.shape == (2, *size)
    assert torch.allclose(bumps.flatten(1).norm(dim=1), torch.ones(2, dtype=torch.float64))
    assert (bumps != 0).all()


def test_a_step_for_linf_moves_one_square_to_a_corner_of_the_ball():
    model, x = network(72), inputs(30, (2, 6, 6))
    task = Task.of(model, x, model(x).argmax(1), LINF, Rng.of(0, torch.arange(30)))
    square = Square(steps=100)
    before = square.init(task)
    after = square.step(task, before, 0)
    low, high = (LINF.project(x + end, x) for end in (-0.05, 0.05))
    moved = after.x != before.best

    assert ((after.x == low) | (after.x == high)).all()
    assert moved.any()
    assert (moved.flatten(1).sum(1) <= 2 * 5 * 6).all()  # channels, height, width


def _mask(first, size, like):
    """Mark the windows with these first pixels, (n,), in images, (n, 1, rows, columns) bool."""
    rows, columns = (torch.arange(length) for length in like.shape[2:])
    top, left = (first // len(columns))[:, None], (first % len(columns))[:, None]
    down, across = (rows >= top) & (rows < top + size[0]), (columns >= left) & (columns < left + size[1])
    return (down[:, :, None] & across[:, None])[:, None]


def _bump_by_masks(x, best, radius, move, size):
    """Return the candidates as the paper has them, over whole images."""
    here, there = (_mask(move.first[:, i], size, x) for i in (0, 1))
    d, bump = best - x, torch.zeros_like(x)
    bump[here.expand_as(x)] = (
        make_bumps(size, x.dtype, x.device)[move.turned][:, None] * torch.ones_like(x[:, :, :1, :1])
    ).flatten()
    bump = bump * (2 * move.up - 1)[:, :, None, None]
    inside = d * here
    bump = bump + inside / inside.norm(dim=(2, 3), keepdim=True).clamp_min(1e-12)
    spare = (radius**2 - d.square().sum((1, 2, 3), keepdim=True)).clamp_min(0) / x.shape[1]
    length = ((d * (here | there)).square().sum((2, 3), keepdim=True) + spare).sqrt()
    moved = x + torch.where(here, bump * length / bump.norm(dim=(2, 3), keepdim=True).clamp_min(1e-12), d * ~there)
    d = moved.clamp(0, 1) - x
    return (x + d * radius / d.square().sum((1, 2, 3), keepdim=True).sqrt()).clamp(0, 1)


@pytest.mark.parametrize("shape", [(3, 7, 8), (2, 4, 30), (1, 6, 6)])
def test_a_step_for_l2_changes_two_squares_and_spends_the_whole_ball(shape):
    model, x, threat = network(math.prod(shape)), inputs(40, shape), LpThreat.parse("l2:0.3")
    task = Task.of(model, x, model(x).argmax(1), threat, Rng.of(0, torch.arange(40)))
    square, frame = Square(steps=30), Frame(*shape)
    state = square.init(task)
    for k in range(30):
        before, state = state, square.step(task, state, k)
        level = bisect_right(_ends(30), k)
        place = square._block(k, level, frame.channels)[0]
        move = Windows(*(draw[:, place] for draw in (state.first, state.up, state.turned)))
        expected = _bump_by_masks(x, before.best, threat.reach(x), move, bump_size(frame, 0.8 / 2**level))

        assert torch.allclose(state.x, expected, rtol=0, atol=1e-7)  # the root of what rounding leaves of the ball
        assert torch.allclose((state.best - x).flatten(1).square().sum(1), state.spent, rtol=1e-9)
        assert threat.admits(state.x, x).all()


def test_square_says_what_to_use_for_another_norm():
    model, x = network(), inputs(5)

    with pytest.raises(ValueError, match="square is for linf and l2, the threat is l1; use noise"):
        assail(model, Square(), x, model(x).argmax(1), LpThreat.parse("l1:1"))


@pytest.mark.parametrize("word", ["square:steps=0", "square:area=0", "square:area=2", "noise:steps=0"])
def test_wrong_options_are_refused(word):
    with pytest.raises(ValueError, match="must be"):
        make(word)
