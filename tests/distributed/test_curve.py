"""Several processes find the curve that one finds, also where the suite is run at an eps that is listed."""

from fractions import Fraction

import numpy as np

from robust.distributed.ranks import ALONE
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.suite_cache import SuiteCache
from tests.distributed.together import together
from tests.evaluation.test_curve import small_run

EPS = (Fraction(3, 100), Fraction(15, 100))


def found(ranks, folder=None):
    """Return (distances, inputs, forward passes) of a curve, and how many of its rungs were kept before."""
    cache = folder and SuiteCache(folder)
    kept, options = cache.count() if cache else 0, RunOptions(Batcher(50), seed=5, ranks=ranks)
    run = small_run(eps=EPS)
    result = type(run)(run.module, run.samples, run.threat, run.rungs, options, cache=cache).run(np.ones(300, bool))
    return result.distance.tolist(), result.x_adv.tolist(), result.forwards, kept


def test_several_find_the_curve_that_one_finds_and_go_on_from_what_one_has_kept(tmp_path):
    alone = found(ALONE, tmp_path)
    first, second = together(2, found)

    np.testing.assert_allclose(first[0], alone[0], rtol=1e-3)
    assert second[0] == first[0]
    assert (len(first[1]), second[1]) == (len(alone[1]), [])
    assert abs(first[2] - alone[2]) < 0.01 * alone[2]  # rounding may let one more fall
    for eps in EPS:
        assert sum(d > eps for d in first[0]) == sum(d > eps for d in alone[0])
    (tmp_path / "0002.npz").unlink()
    again = together(2, found, tmp_path)
    assert [each[3] for each in again] == [2, 2]
    np.testing.assert_allclose(again[0][0], alone[0], rtol=1e-3)
