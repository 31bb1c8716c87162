"""Patches measured again, without the attacks: by the bounding box of what changed."""

import numpy as np
import pytest

from robust.verification.candidates import Candidates
from robust.verification.distances import check_limits
from robust.verification.patches import move_patch, read_patch
from robust.verification.rounding import round_to_levels

CLEAN = np.full((1, 2, 6, 5), 0.5, np.float32)


def judge(places, threat="patch:2x3", value=1.0):
    """Return (small, inside) of an input with these pixels, (channel, row, column), at a value."""
    moved = CLEAN.copy()
    for place in places:
        moved[(0, *place)] = value
    return [bool(flag[0]) for flag in check_limits(Candidates(moved, CLEAN, np.zeros(1), threat, (0, 1), 8))]


@pytest.mark.parametrize(
    ("places", "small"),
    [
        ([], True),
        ([(0, 0, 0), (1, 1, 2)], True),
        ([(0, 4, 2), (1, 5, 4)], True),
        ([(0, 0, 0), (1, 2, 0)], False),  # three rows, by two channels
        ([(0, 0, 0), (0, 0, 3)], False),
    ],
)
def test_all_changes_are_in_one_box(places, small):
    assert judge(places) == [small, True]


def test_a_change_by_one_bit_outside_the_box_is_found():
    moved = CLEAN.copy()
    moved[0, :, :2, :3] = 1.0
    moved[0, 0, 5, 4] = np.nextafter(np.float32(0.5), np.float32(1))
    small, _ = check_limits(Candidates(moved, CLEAN, np.zeros(1), "patch:2x3", (0, 1), 8))

    assert not small[0]


def test_the_bounds_hold_within_the_box():
    assert judge([(0, 0, 0)], value=1.25) == [True, False]


def test_one_part_of_a_union_is_enough():
    far = [(0, 0, 0), (0, 5, 4)]
    assert judge(far, "patch:2x3+l2:1") == [True, True]
    assert judge(far, "patch:2x3+l2:0.5") == [False, True]


@pytest.mark.parametrize(
    ("word", "shape", "size"),
    [("patch:20%x30%", (1, 28, 28), (5, 8)), ("patch:2%", (3, 224, 224), (31, 31)), ("patch:1%x7", (28, 28), (1, 7))],
)
def test_per_cent_mean_as_many_pixels_as_for_the_attacks(word, shape, size):
    assert read_patch(word, shape) == size


@pytest.mark.parametrize(("word", "shape"), [("patch:2", (1, 5, 5)), ("patch:2x2", (5,))])
def test_what_is_no_patch_is_an_error(word, shape):
    with pytest.raises(ValueError, match="no patch for inputs of shape"):
        read_patch(word, shape)


def test_values_of_a_patch_go_to_the_nearest_levels():
    x = np.round(CLEAN * 4) / 4
    moved = x.copy()
    moved[0, 0, 1, 1], moved[0, 0, 1, 2] = 0.9, 0.3
    stored, small = round_to_levels(Candidates(moved, x, np.zeros(1), "patch:2x3", (0, 1), 8), 5)

    assert small.all()
    assert stored[0, 0, 1, 1:3].tolist() == [1.0, 0.25]
    assert (stored != x).sum() == 2


def test_inputs_nearby_differ_in_one_window():
    signs = np.where(np.arange(60).reshape(1, 2, 6, 5) % 2, 1, -1).astype(np.float32)
    moved = move_patch("patch:2x3", CLEAN, signs, (-1, 2))
    small, inside = check_limits(Candidates(moved, CLEAN, np.zeros(1), "patch:2x3", (-1, 2), 8))

    assert small.all()
    assert inside.all()
    assert {*moved[moved != CLEAN].tolist()} == {-1.0, 2.0}


def show_same(n=5, value=1.0):
    """Return (inputs, clean ones): one patch of 2x3 at rows 1 to 2, columns 1 to 3, on n different images."""
    x = np.random.default_rng(0).uniform(0.1, 0.9, (n, 2, 6, 5)).astype(np.float32)
    moved = x.copy()
    moved[:, :, 1:3, 1:4] = value
    return moved, x


def judge_all(moved, x, threat="patch:2x3:universal=true"):
    small, inside = check_limits(Candidates(moved, x, np.zeros(len(x)), threat, (0, 1), 8))
    return (small & inside).tolist()


def test_a_universal_patch_is_one_and_the_same():
    moved, x = show_same()
    assert judge_all(moved, x) == [True] * 5

    x[2, :, 1, 1:4] = 1.0  # the image has it there already
    moved[2, :, [0, 3], :] = x[2, :, [0, 3], :]
    assert judge_all(moved, x) == [True] * 5


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((3, 0, 1, 2), 0.5),  # another value in it
        ((3, 0, 1, 2), np.nextafter(np.float32(1), np.float32(0))),
        ((3, 0, 5, 4), 0.5),  # more than the patch
        ((3, 0, 0, 1), 0.5),
    ],
)
def test_a_patch_that_differs_on_one_input_is_found(place, value):
    moved, x = show_same()
    moved[place] = value

    assert judge_all(moved, x) == [True, True, True, False, True]


def test_a_patch_of_its_own_for_each_input_is_none_for_all():
    moved, x = show_same()
    for k in range(5):
        moved[k, :, 1:3, 1:4] = 0.2 * k

    assert sum(judge_all(moved, x)) == 1
    assert judge_all(moved, x, "patch:2x3") == [True] * 5


def test_a_patch_elsewhere_on_one_input_is_found():
    moved, x = show_same()
    moved[1] = x[1]
    moved[1, :, 2:4, 1:4] = 1.0

    assert judge_all(moved, x) == [True, False, True, True, True]


def test_without_inputs_there_is_nothing_to_find():
    moved, x = show_same()
    assert judge_all(moved[:0], x[:0]) == []
