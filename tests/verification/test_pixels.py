"""Changed pixels counted again, without the attacks; a planted fault in what they return is found."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from robust.attacks import PixelThreat, assail, make
from robust.verification.candidates import Candidates
from robust.verification.check import LARGE, OUTSIDE, verify
from robust.verification.distances import check_limits, read_balls
from robust.verification.pixels import count_pixels, move_pixels, read_pixels
from robust.verification.rounding import round_to_levels
from tests.attacks.models import inputs, network

X = np.full((1, 3, 2, 2), 0.5, np.float32)


def changed(*places):
    x = X.copy()
    for place in places:
        x[0][place] = 1.0
    return x


@pytest.mark.parametrize(
    ("places", "pixels"),
    [
        ([], 0),
        ([(0, 0, 0)], 1),
        ([(0, 0, 0), (2, 0, 0)], 1),  # two channels of one pixel
        ([(0, 0, 0), (0, 0, 1)], 2),
        ([(0, 0, 0), (1, 0, 1), (2, 1, 0), (0, 1, 1)], 4),
    ],
)
def test_all_channels_of_a_pixel_count_as_one(places, pixels):
    assert count_pixels(changed(*places), X).tolist() == [pixels]


@pytest.mark.parametrize(("shape", "pixels"), [((12,), 12), ((3, 4), 12), ((1, 3, 4), 12), ((3, 2, 2), 4)])
def test_the_last_two_axes_are_the_image(shape, pixels):
    x = np.zeros((2, *shape), np.float32)
    assert count_pixels(x + 1, x).tolist() == [pixels, pixels]
    near = move_pixels(3, (0, 1), x, np.ones_like(x))
    assert count_pixels(near, x).tolist() == [3, 3]


def test_a_pixel_that_changed_by_the_least_has_changed():
    assert count_pixels(np.nextafter(X, 1), X).tolist() == [4]
    assert count_pixels(np.where(X > 0, np.nan, X), X).tolist() == [4]


def judge(x_adv, threat):
    return [bool(flag[0]) for flag in check_limits(Candidates(x_adv, X, np.zeros(1), threat, (0, 1), 8))]


def test_counts_and_bounds_are_held_also_in_a_union():
    two = changed((0, 0, 0), (0, 0, 1))
    assert judge(two, "l0:2") == [True, True]
    assert judge(two, "l0:1") == [False, True]
    assert judge(two + (two > 0.5), "l0:2") == [True, False]
    assert judge(two, "linf:0.1+l0:2") == [True, True]
    assert judge(two, "l0:1+linf:0.5") == [True, True]
    assert judge(X + np.float32(0.05), "l0:2+linf:0.1") == [True, True]
    assert judge(X + np.float32(0.05), "l0:2") == [False, True]
    assert read_pixels("l0:2+linf:0.1+l0:7") == 7
    assert read_pixels("linf:0.1") is None
    assert [ball.norm for ball in read_balls("linf:0.1+l0:7")] == ["linf"]


def test_a_planted_fault_is_found():
    """An attack that changes one pixel too many, or leaves the bounds, is not believed."""
    model, x = network(64).float(), inputs(40, (1, 8, 8), torch.float32)
    y = model(x).argmax(1)
    found = assail(model, make("pgd:steps=10"), x, y, PixelThreat(4))
    fallen = found.adversarial.numpy()
    x_adv, clean = found.x_adv.numpy()[fallen], x.numpy()[fallen]
    candidates = Candidates(x_adv, clean, y.numpy()[fallen], "l0:4", (0, 1), 16)
    assert fallen.any()
    assert not verify(model, candidates).fault.any()

    planted = x_adv.copy()
    same = np.argwhere((x_adv[0] == clean[0]) & (count_pixels(x_adv, clean)[0] == 4))[0]
    planted[0][tuple(same)] = np.nextafter(planted[0][tuple(same)], np.float32(0.5))
    assert verify(model, replace(candidates, x_adv=planted)).fault[0] == LARGE
    planted = x_adv.copy()
    planted[0][x_adv[0] != clean[0]] = 1.5
    assert verify(model, replace(candidates, x_adv=planted)).fault[0] == OUTSIDE


def test_rounding_to_levels_changes_no_other_pixel():
    x = np.rint(X * 255).astype(np.float32) / np.float32(255)
    x_adv = x.copy()
    x_adv[0, :, 0, 0] = (0.1234, 0.9876, 0.5002)
    stored, small = round_to_levels(Candidates(x_adv, x, np.zeros(1), "l0:1", (0, 1), 8), 256)
    assert small.all()
    np.testing.assert_allclose(stored[0, :, 0, 0] * 255, (31, 252, 128), atol=1e-4)
    assert count_pixels(stored, x).tolist() == [1]
