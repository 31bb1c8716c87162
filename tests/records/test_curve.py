"""The curve of a record: as text and back, at which radii samples are robust, and what contradicts the row."""

import json
from dataclasses import replace

import numpy as np
import pytest

from robust.records.certificate import Certificate
from robust.records.curve import Curve, check_curve, curve_from_json, curve_to_json, describe_radius, to_float32
from robust.records.radii import Radii

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


RADII = Radii("crown", np.array([0, 0.005, 0.02, 0.1, 0.12], np.float32), 2.0, "time")
PROVED = replace(CURVE, proved=RADII)


def test_certified_radii_come_back_and_say_what_is_certified_and_what_they_contradict():
    again = curve_from_json(json.loads(json.dumps(curve_to_json(PROVED))), 5)

    assert again.outcome == PROVED.outcome != CURVE.outcome
    assert again.certified_at(0.02).tolist() == [False, False, True, True, True]
    assert again.certified_at(0).tolist() == [False, True, True, True, True]
    assert [(text, int(flags.sum())) for text, flags in again.list_proved()] == [("8/255", 2)]
    assert again.contradicted.tolist() == [False, False, False, True, False]
    assert (again.proved.median, CURVE.list_proved()) == (np.float32(0.02), [])


@pytest.mark.parametrize(
    ("radius", "told"),
    [
        ([0, 0, 0, 0], "4 numbers do not fit 5 samples"),
        ([0, -1, 0, 0, 0], "lacks the column 'certified'"),
        ([0.1, 0, 0, 0, 0], "a sample that is answered wrong, or no number"),
        ([0, 0, 0, 0, np.inf], "a sample that is answered wrong, or no number"),
    ],
)
def test_damaged_radii_are_refused(radius, told):
    content = curve_to_json(replace(CURVE, proved=replace(RADII, radius=np.array(radius, np.float32))))
    with pytest.raises(ValueError, match=told):
        curve_from_json(content, 5)


def test_a_row_whose_certified_samples_have_smaller_radii_is_refused():
    right = np.array([False, True, True, True, True])
    certified = np.array([False, False, False, True, True])
    certificate = Certificate("crown", certified, np.where(certified, 1, -1).astype(np.float32), {"crown": 2}, 1.0)
    check_curve(PROVED, "linf:8/255", right, CURVE.robust_at(8 / 255), certificate)
    with pytest.raises(ValueError, match="a certified sample has a certified radius below its eps"):
        check_curve(
            replace(CURVE, proved=replace(RADII, radius=RADII.radius / 4)),
            "linf:8/255",
            right,
            CURVE.robust_at(8 / 255),
            certificate,
        )
