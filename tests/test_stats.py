from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from robust.stats import above, fisher, holm_bound, mcnemar, newcombe, wilson

p_values = st.lists(st.floats(0, 1), max_size=8)


def outcomes(both=0, only_a=0, only_b=0, neither=0):
    """(a, b) on the same samples, with so many of each kind."""
    counts = [both, only_a, only_b, neither]
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (450, 1000, 0.419, 0.481),
        (45, 100, 0.356, 0.548),
    ],
)
def test_wilson_gives_the_published_intervals(k, n, low, high):
    digits = 4 if n < 300 and k != 45 else 3

    assert tuple(round(bound, digits) for bound in wilson(k, n)) == (low, high)


@pytest.mark.parametrize("n", [1, 2, 10, 1000, 60000])
def test_wilson_reaches_the_ends_at_none_and_all(n):
    assert wilson(0, n)[0] == 0
    assert wilson(n, n)[1] == 1
    assert 0 < wilson(0, n)[1] < 1
    assert 0 < wilson(n, n)[0] < 1


@given(st.integers(1, 500), st.data())
def test_wilson_surrounds_the_share(n, data):
    k = data.draw(st.integers(0, n))
    low, high = wilson(k, n)

    assert 0 <= low <= k / n <= high <= 1


@given(st.integers(1, 500), st.data())
def test_wilson_of_the_failures_is_the_mirror_image(n, data):
    k = data.draw(st.integers(0, n))
    low, high = wilson(k, n)

    assert wilson(n - k, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_mcnemar_tells_30_lost_and_10_gained_of_a_thousand_apart():
    assert mcnemar(*outcomes(both=500, only_a=30, only_b=10, neither=460)) == pytest.approx(0.0022, abs=5e-5)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 5), st.integers(0, 5))
def test_mcnemar_is_twice_the_tail_of_a_fair_coin(only_a, only_b, both, neither):
    m = only_a + only_b
    tail = sum(comb(m, i) for i in range(min(only_a, only_b) + 1)) / 2**m

    assert mcnemar(*outcomes(both, only_a, only_b, neither)) == pytest.approx(min(1, 2 * tail))


def test_mcnemar_of_identical_outcomes_is_1():
    a = np.array([True, False, True])

    assert mcnemar(a, a) == 1


def test_fisher_gives_the_published_value_of_the_lady_tasting_tea():
    three, one = np.array([True, True, True, False]), np.array([True, False, False, False])

    assert fisher(three, one) == pytest.approx(34 / 70)


def test_fisher_compares_sets_of_different_sizes():
    assert fisher(np.ones(5, bool), np.zeros(3, bool)) == pytest.approx(1 / comb(8, 3))


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_fisher_is_that_of_scipy(n_a, n_b, data):
    k_a, k_b = data.draw(st.integers(0, n_a)), data.draw(st.integers(0, n_b))
    a, b = np.arange(n_a) < k_a, np.arange(n_b) < k_b

    wanted = fisher_exact([[k_a, n_a - k_a], [k_b, n_b - k_b]]).pvalue
    assert fisher(a, b) == pytest.approx(wanted)


def holm(p_values):
    """Adjust p-values one by one, as Holm wrote it."""
    adjusted, worst = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        worst = max(worst, min(1.0, p_values[i] * (len(p_values) - rank)))
        adjusted[i] = worst
    return adjusted


@pytest.mark.parametrize(
    ("p", "significant"),
    [
        ([0.01, 0.04, 0.03, 0.005], [True, False, False, True]),
        ([0.02, 0.02], [True, True]),
        ([0.06], [False]),
        ([], []),
    ],
    ids=str,
)
def test_holm_gives_what_a_hand_computes(p, significant):
    assert [each < holm_bound(np.array(p), 0.05) for each in p] == significant


@given(p_values)
def test_holm_finds_what_it_finds_one_by_one(p):
    for alpha in (0.001, 0.05, 0.5):
        bound = holm_bound(np.array(p), alpha)
        assert [each < bound for each in p] == [each < alpha for each in holm(p)]


def test_above_is_the_exact_tail_of_the_binomial():
    assert above(1, 10, 0.1) == pytest.approx(1 - 0.9**10)
    assert above(0, 10, 0.1) == 1
    assert above(2, 2, 0.5) == pytest.approx(0.25)


counts = st.integers(0, 60)


@given(counts, counts, counts, st.integers(1, 60))
def test_newcombe_surrounds_the_difference_and_turns_with_it(both, only_a, only_b, neither):
    a, b = outcomes(both, only_a, only_b, neither)
    low, high = newcombe(a, b)

    assert -1 - 1e-12 <= low <= a.mean() - b.mean() <= high <= 1 + 1e-12
    assert newcombe(b, a) == pytest.approx((-high, -low), abs=1e-12)


def test_newcombe_joins_two_wilson_intervals_where_nothing_correlates():
    """Compare with Newcombe's interval of two independent shares."""
    a, b = outcomes(both=6, only_a=4, only_b=9, neither=6)  # 6 * 6 = 4 * 9
    (low_a, high_a), (low_b, high_b) = wilson(10, 25), wilson(15, 25)

    assert newcombe(a, b) == pytest.approx(
        (-0.2 - np.hypot(0.4 - low_a, high_b - 0.6), -0.2 + np.hypot(high_a - 0.4, 0.6 - low_b))
    )


def test_newcombe_is_narrower_the_more_both_agree():
    widths = []
    for shared in (0, 100, 200, 290):
        low, high = newcombe(*outcomes(both=400 + shared, only_a=300 - shared, only_b=300 - shared, neither=shared))
        widths.append(high - low)

    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("shares", [(0.7, 0.04, 0.02, 0.24), (0.4, 0.2, 0.1, 0.3), (0.9, 0.02, 0.0, 0.08)])
def test_newcombe_covers_the_truth_as_often_as_it_says(shares):
    rng, truth = np.random.default_rng(0), shares[1] - shares[2]
    drawn = rng.multinomial(200, shares, size=300)
    intervals = [newcombe(*outcomes(*row)) for row in drawn]

    assert 0.92 <= np.mean([low <= truth <= high for low, high in intervals]) <= 1
