"""A mean score fails beyond the tolerance, if the change is more than chance on the same samples."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from robust.baseline.mean_comparison import MeanComparison, compare_corrupted
from robust.baseline.tolerance import read_tolerance
from robust.records.corrupted import Corrupted
from robust.stats import permuted_mean

N = 200
ERRORS = np.abs(np.random.default_rng(0).normal(10, 5, N))
NOISE = np.random.default_rng(1).normal(0, 1, N)
NOISE -= NOISE.mean()


def moved(by, noise=0.0, criterion="within:10"):
    return MeanComparison.of(ERRORS, (ERRORS + by + noise * NOISE).astype(np.float32), criterion)


@pytest.mark.parametrize(
    ("by", "noise", "margin", "ruling"),
    [
        (3, 1, "+2", "fails"),
        (3, 1, "+4", "holds"),
        (2, 0, "2", "holds"),  # what is allowed is allowed, by float32, too
        (2.01, 0, "+2", "fails"),
        (0.1, 10, "0", "inconclusive"),
        (-3, 1, "+0", "holds"),
        (0, 0, "+0", "holds"),
    ],
)
def test_a_mean_fails_beyond_the_margin_where_the_change_is_significant(by, noise, margin, ruling):
    assert moved(by, noise).ruling(read_tolerance(f"mean:{margin}")) == ruling


def test_a_change_far_smaller_than_the_interval_of_the_figure_is_seen_in_pairs():
    seen = moved(0.5, 1)

    assert seen.ruling(read_tolerance("mean:+0.2")) == "fails"
    assert seen.points == pytest.approx(0.5, abs=1e-5)
    assert seen.interval[0] < seen.points < seen.interval[1] < 1
    assert seen.p < 0.01


def test_the_share_of_labels_is_in_percent_and_gets_worse_as_it_falls():
    seen = MeanComparison.of(np.full(20, 1.0), np.full(20, 0.75), "labels")

    assert seen.figures == (100, 75)
    assert (seen.lost.sum(), seen.won.sum()) == (20, 0)
    assert seen.ruling(read_tolerance("mean:25")) == "holds"
    assert seen.ruling(read_tolerance("mean:-24")) == "fails"


def test_a_score_that_is_not_finite_does_not_count():
    seen = MeanComparison.of(np.array([1.0, np.nan, 3.0]), np.array([1.0, 2.0, 5.0]), "within:1")

    assert seen.figures == (2, 3)
    assert (seen.lost.sum(), seen.won.sum()) == (1, 0)


def test_a_comparison_in_words():
    told = str(MeanComparison.of(np.arange(1.0, 9), np.arange(1.0, 9) + 2, "within:1"))

    assert told == "4.5 to 6.5, +2 (95 % interval +2 to +2), 8 worse, 0 better, p = 0.0078"  # 2 / 2 ** 8


def test_the_p_value_is_exact_for_few_samples_and_near_the_t_test_for_many():
    assert permuted_mean(np.array([1.0, 2.0, 4.0])) == pytest.approx(2 / 8)
    assert permuted_mean(np.zeros(5)) == 1
    for by in (0.05, 0.1, 0.15):
        assert permuted_mean(NOISE + by) == pytest.approx(ttest_rel(NOISE + by, 0 * NOISE).pvalue, abs=0.03)


def answers(*right):
    return Corrupted(("fog", "snow"), np.array(right, float))


def test_the_mean_over_corruptions_is_compared_in_points_sample_by_sample():
    before = answers(*[[1, 1]] * 12, [0, 1])
    after = answers(*[[1, 0]] * 10, [1, 1], [1, 1], [1, 1])

    seen = compare_corrupted(before, after)

    assert seen.figures == pytest.approx((100 * 25 / 26, 100 * 16 / 26))
    assert (seen.lost.sum(), seen.won.sum()) == (10, 1)
    assert seen.ruling(read_tolerance("mean:35pp")) == "holds"
    assert seen.ruling(read_tolerance("mean:34pp")) == "fails"
    assert str(seen).startswith("96.15 to 61.54 %, -34.62 points (95 % interval ")
    assert seen.change == "-34.62 points are"


def test_a_drop_of_the_mean_over_corruptions_that_may_be_chance_is_inconclusive():
    seen = compare_corrupted(answers([1, 1], [0, 1], [1, 1]), answers([1, 0], [0, 1], [1, 1]))

    assert seen.ruling(read_tolerance("mean:0pp")) == "inconclusive"


def test_a_sample_that_was_not_asked_for_each_corruption_does_not_count():
    seen = compare_corrupted(answers([1, 1], [1, np.nan]), answers([1, 0], [0, 0]))

    assert seen.figures == (100, 50)
    assert (seen.lost.sum(), seen.won.sum()) == (1, 0)
