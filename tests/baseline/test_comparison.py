"""A drop fails beyond the tolerance, if it is more than chance."""

import numpy as np
import pytest

from robust.baseline.comparison import Comparison, name_samples
from robust.baseline.tolerance import read_tolerance
from robust.stats import fisher
from tests.test_stats import outcomes


def paired(lost, won, n=1000, right=700):
    return Comparison(*outcomes(both=right - lost, only_a=lost, only_b=won, neither=n - right - won))


@pytest.mark.parametrize(
    ("lost", "won", "margin", "ruling"),
    [
        (30, 10, "0pp", "fails"),  # p = 0.002
        (30, 10, "1.9pp", "fails"),
        (30, 10, "2pp", "holds"),  # what is allowed is allowed
        (30, 20, "0pp", "inconclusive"),  # p = 0.2
        (30, 20, "1pp", "holds"),
        (5, 0, "0pp", "inconclusive"),  # p = 0.06
        (6, 0, "0pp", "fails"),  # p = 0.03
        (0, 0, "0pp", "holds"),
        (10, 30, "0pp", "holds"),
        (43, 20, "2.3pp", "holds"),  # 100 * 23 / 1000 is above 2.3 in floats
    ],
)
def test_a_drop_fails_beyond_the_margin_where_it_is_significant(lost, won, margin, ruling):
    assert paired(lost, won).ruling(read_tolerance(f"robust_acc:{margin}")) == ruling


def test_three_points_of_a_thousand_samples_are_seen_in_pairs_and_not_in_figures():
    seen = paired(35, 5)

    assert seen.points == pytest.approx(-3)
    assert seen.ruling(read_tolerance("robust_acc:1pp")) == "fails"
    assert seen.p < 1e-5
    assert fisher(seen.before, seen.after) > 0.1


def test_a_comparison_in_words():
    assert (
        str(paired(30, 10)) == "70.0 to 68.0 %, -2.0 points (95 % interval -3.3 to -0.7), 30 lost, 10 won, p = 0.0022"
    )


def test_at_most_ten_samples_are_named():
    numbers = np.arange(100) * 3

    assert name_samples(np.arange(100) < 3, numbers) == "0, 3, 6"
    assert name_samples(np.arange(100) < 10, numbers) == "0, 3, 6, 9, 12, 15, 18, 21, 24, 27"
    assert name_samples(np.arange(100) < 11, numbers) == "0, 3, 6, 9, 12, 15, 18, 21, 24, 27, ... (11 in all)"
