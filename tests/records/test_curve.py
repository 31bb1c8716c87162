"""The curve of a record: as text and back, at which radii samples are robust, and what contradicts the row."""

import json

import numpy as np
import pytest

from robust.records.curve import Curve, curve_from_json, curve_to_json, describe_radius, to_float32

CURVE = Curve(
    end="linf:32/255",
    distance=np.array([0, 0.01, 8 / 255, 0.1, np.inf], np.float32),
    attacks=("fab",),
    eps=("8/255",),
    forwards=9,
    backwards=4,
    seconds=1.0,
)


def test_it_comes_back_from_its_text():
    again = curve_from_json(json.loads(json.dumps(curve_to_json(CURVE))), 5)

    assert again.outcome == CURVE.outcome
    assert (again.eps, again.norm, again.last) == (("8/255",), "linf", 32 / 255)


def test_a_sample_whose_distance_is_the_radius_is_not_robust_there():
    assert CURVE.robust_at(8 / 255).tolist() == [False, False, False, True, True]
    assert [(text, int(flags.sum())) for text, flags in CURVE.list_marks()] == [("8/255", 2)]


def test_rounding_moves_no_distance_onto_a_radius():
    radius = 8 / 255
    stored = to_float32(np.array([radius, radius * (1 + 1e-9), 0.5, np.inf]), [radius])

    assert (stored > np.float32(radius)).tolist() == [False, True, True, True]


def test_radii_are_told_in_the_units_of_the_end():
    assert describe_radius(CURVE, CURVE.median) == "8/255"
    assert describe_radius(CURVE, float("inf")) == "above 32/255"


@pytest.mark.parametrize("column", [[0.1, -1, 0, 0, 0], [0.1] * 4])
def test_a_damaged_column_is_refused(column):
    content = curve_to_json(CURVE)
    content["columns"] = curve_to_json(
        Curve(**{name: getattr(CURVE, name) for name in CURVE.__slots__} | {"distance": np.array(column, np.float32)})
    )["columns"]
    with pytest.raises(ValueError, match="distance"):
        curve_from_json(content, 5)
