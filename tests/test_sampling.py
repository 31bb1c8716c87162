import numpy as np
import pytest

from robust.sampling import draw_rows, shuffled_rows

HUGE = 10**18 - 1  # the largest seed that --robust-seed takes


@pytest.mark.parametrize("seed", [0, 7, 2**32 + 7, 5_000_000_000, HUGE])
def test_rows_are_drawn_ascending_and_without_replacement(seed):
    rows = draw_rows(100, 10, seed)

    assert (np.diff(rows) > 0).all()
    assert len(rows) == 10
    assert set(rows) == set(shuffled_rows(100, seed)[:10])
    assert (draw_rows(100, 10, seed) == rows).all()


def test_the_stream_of_a_seed_never_changes():
    assert shuffled_rows(8, 3).tolist() == [5, 7, 4, 6, 3, 1, 0, 2] == shuffled_rows(8, 2**32 + 3).tolist()


@pytest.mark.parametrize("most", [None, 5, 6])
def test_all_rows_where_no_fewer_are_asked_for(most):
    assert draw_rows(5, most, HUGE).tolist() == [0, 1, 2, 3, 4]
