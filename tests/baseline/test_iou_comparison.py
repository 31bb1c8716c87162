"""The mIoU of maps fails beyond the tolerance, if the drop is more than chance on the same samples."""

from types import SimpleNamespace

import numpy as np
import pytest

from robust.baseline.iou_comparison import IouComparison, merge_regions
from robust.baseline.tolerance import read_tolerance
from robust.stats import bootstrap_iou, mean_iou

N, PIXELS = 60, 64


def regions(wrong, seed=0):
    """Return regions, (n, 4), of maps of two classes, of which so many pixels are wrong, (n,)."""
    ones = np.random.default_rng(seed).integers(20, 44, N)
    inner = np.stack([PIXELS - ones - wrong, ones], 1)
    return np.concatenate([inner, inner + wrong[:, None]], 1).astype(np.float32)


SOME = np.random.default_rng(1).integers(0, 8, N)
MORE = np.random.default_rng(2).integers(0, 8, N)


@pytest.mark.parametrize(
    ("after", "margin", "ruling"),
    [
        (SOME, "0", "holds"),
        (SOME + 2, "2", "fails"),
        (SOME + 2, "20", "holds"),
        (SOME - SOME, "0", "holds"),
        (np.where(np.arange(N) == 5, 12, MORE[::-1]), "0", "inconclusive"),
    ],
)
def test_it_fails_beyond_the_margin_where_the_drop_is_significant(after, margin, ruling):
    before = MORE if ruling == "inconclusive" else SOME
    assert IouComparison.of(regions(before), regions(after)).ruling(read_tolerance(f"miou:{margin}pp")) == ruling


def test_the_figures_are_those_of_the_set_and_the_interval_is_paired():
    before, after = regions(SOME), regions(SOME + 1)
    seen = IouComparison.of(before, after)

    assert seen.figures == pytest.approx((100 * mean_iou(before.sum(0)), 100 * mean_iou(after.sum(0))))
    low, high = seen.interval
    assert low < seen.points < high < 0
    alone = bootstrap_iou(after.astype(float))
    assert high - low < 100 * (alone[1] - alone[0]) / 3
    assert (seen.lost.sum(), seen.won.sum()) == (N, 0)
    assert seen.p < 0.001
    assert IouComparison.of(after, before).points == -seen.points
    assert IouComparison.of(before, before).p == 1


def test_of_few_maps_the_p_value_is_near_the_exact_one():
    before, after = regions(SOME)[:4], regions(SOME + 3)[:4]

    assert IouComparison.of(before, after).p == pytest.approx(2 / 2**4, abs=0.02)


def test_a_class_that_only_one_of_both_knows_has_no_pixels_in_the_other():
    before = np.array([[10.0, 20, 12, 22]])
    after = np.array([[10.0, 20, 0, 12, 22, 4]])

    assert IouComparison.of(before, after).figures[1] == pytest.approx(100 * (10 / 12 + 20 / 22 + 0) / 3)


def test_a_comparison_in_words():
    told = str(IouComparison.of(np.array([[50.0, 50, 50, 50]] * 2), np.array([[40.0, 40, 50, 50]] * 2)))

    assert told.startswith("100 to 80 %, -20 points (95 % interval -20 to -20), 2 worse, 0 better, p = 0.")


def test_the_regions_of_several_attacks_are_those_of_the_worst_input():
    first = SimpleNamespace(score=np.float32([0.5, 0.9, np.nan]), regions=np.full((3, 4), 1.0))
    second = SimpleNamespace(score=np.float32([0.6, 0.2, np.nan]), regions=np.full((3, 4), 2.0))
    none = SimpleNamespace(score=None, regions=None)

    assert merge_regions([none, first, second], np.float32([0.5, 0.2, np.nan]))[:, 0].tolist() == [1, 2, 1]
