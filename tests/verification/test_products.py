"""Several inputs measured again, without the attacks: each part in its ball and bounds, and the rest as it was."""

import numpy as np
import pytest

from robust.attacks.layout import InputPart, Layout
from robust.verification.candidates import Candidates
from robust.verification.distances import check_limits
from robust.verification.moved import count_parts
from robust.verification.products import move_parts

LAYOUT = Layout(
    (InputPart("image", (1, 2, 2)), InputPart("meta", (2,), lo=-3, hi=3), InputPart("ids", (1,), "int64")),
).to_json()
CLEAN = np.array([[0.5, 0.5, 0.5, 0.0, 1.0, -3.0, 7.0]], np.float32)
WORD = "image=linf:0.1;meta=l2:0.5"


def judge(change, threat=WORD, layout=LAYOUT):
    moved = (CLEAN + np.array([change], np.float32)).astype(np.float32)
    return [
        bool(flag[0]) for flag in check_limits(Candidates(moved, CLEAN, np.zeros(1), threat, (-3, 3), 8, layout=layout))
    ]


@pytest.mark.parametrize(
    ("change", "small", "inside"),
    [
        ([0.09, -0.09, 0, 0.09, 0.29, 0.39, 0], True, True),
        ([0.11, 0, 0, 0, 0, 0, 0], False, True),
        ([0, 0, 0, 0, 0.4, 0.4, 0], False, True),  # l2 of 0.57
        ([0, 0, 0, -0.09, 0, 0, 0], True, False),  # below the image's 0, though not below the least of all bounds
        ([0, 0, 0, 0, 0, -0.1, 0], True, False),
        ([0, 0, 0, 0, 0, 0, 1], False, True),  # an id is fixed
    ],
)
def test_each_part_is_held_to_its_own_ball_and_bounds(change, small, inside):
    assert judge(change) == [small, inside]


def test_one_product_of_a_union_is_enough():
    union = "image=linf:0.1+meta=linf:1"
    assert judge([0.09, 0, 0, 0, 0, 0, 0], union) == [True, True]
    assert judge([0, 0, 0, 0, 1, 0, 0], union) == [True, True]
    assert judge([0.09, 0, 0, 0, 1, 0, 0], union) == [False, True]


@pytest.mark.parametrize("layout", ["", Layout((InputPart("image", (7,)),)).to_json()])
def test_without_the_layout_nothing_is_verified(layout):
    with pytest.raises(ValueError, match="the layout of the several inputs"):
        judge([0] * 7, layout=layout)


def test_which_part_moved_and_by_how_much_of_its_eps():
    moved = CLEAN.repeat(3, 0)
    moved[0, 0] += 0.05
    moved[1, :2] += 0.1
    moved[1, 4] += 0.5
    moved[2, 3] += 0.1
    image, meta = count_parts(WORD, LAYOUT, moved, CLEAN.repeat(3, 0))
    assert (image.feature, image.n, image.of, image.way) == ("image", 3, 3, "2 of 3")
    assert (meta.feature, meta.n, meta.way) == ("meta", 1, "0 of 3")
    assert (image.median, image.largest, meta.largest) == pytest.approx((1, 1, 1), abs=1e-5)


def test_inputs_nearby_leave_what_is_fixed():
    near = move_parts("image=linf:0.1", LAYOUT, CLEAN, np.ones_like(CLEAN))
    assert near[0].tolist() == pytest.approx([0.6, 0.6, 0.6, 0.1, 1.0, -3.0, 7.0])
