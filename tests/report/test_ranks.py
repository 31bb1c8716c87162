"""Ranks by counts are those of a comparison of each pair by itself; and what a large board costs."""

from itertools import combinations

import numpy as np
import pytest

from robust.report import ranks as ranking
from robust.report.ranks import ALPHA, ranks
from robust.stats import fisher, mcnemar
from tests.test_stats import holm


def plain(outcomes, samples):
    """Ranks as they are defined."""
    pairs = [*combinations(range(len(outcomes)), 2)]
    test = [mcnemar if samples[a] == samples[b] else fisher for a, b in pairs]
    adjusted = holm([each(outcomes[a], outcomes[b]) for each, (a, b) in zip(test, pairs, strict=True)])
    return [
        1 + sum(p < ALPHA for (_, b), p in zip(pairs, adjusted, strict=True) if b == row)
        for row in range(len(outcomes))
    ]


@pytest.mark.parametrize("sets", [1, 2, 12], ids="{} sets of samples".format)
@pytest.mark.parametrize(("rows", "samples"), [(2, 2), (7, 7)], ids=["many blocks", "blocks and a rest"])
def test_ranks_are_those_of_each_pair(monkeypatch, sets, rows, samples):
    monkeypatch.setattr(ranking, "ROWS", rows)
    monkeypatch.setattr(ranking, "SAMPLES", samples)
    random = np.random.RandomState(sets)
    names = [k % sets for k in range(12)]
    outcomes = [random.rand(60 + name) < 0.95 - 0.06 * k for k, name in enumerate(names)]

    found = ranks(outcomes, names)
    assert found == plain(outcomes, names)
    assert len({*found}) > 2


def test_no_rows_and_a_single_row_have_their_ranks():
    assert ranks([], []) == []
    assert ranks([np.ones(3, bool)], ["a"]) == [1]
