"""Several processes attack images by each family of threats as one does, and go on where another number stopped."""

import numpy as np
import pytest

from robust.attacks.suite import read_suite
from robust.attacks.threats.threat import read_threat
from robust.data.dataset import Samples
from robust.distributed.ranks import ALONE
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import measure_clean
from robust.evaluation.suite_cache import SuiteCache
from robust.evaluation.suite_run import SuiteRun
from tests.attacks.models import Affine, inputs
from tests.distributed.together import together
from tests.evaluation.test_suite_run import outcome

THREATS = ("l0:1", "spatial:rotate=10", "patch:2x1", "corruption:1", "l0:1+spatial:rotate=5")
SIZE = (1, 8, 8)


class Wide(Affine):
    """A model in float64, where the other samples of a batch change nothing."""

    def forward(self, x):
        return super().forward(x.double())


def run_suite(ranks, threat, cache=None, watch=lambda progress: None):
    model, x = Wide(10, 64), inputs(30, SIZE).float()
    y = model(x).argmax(1).numpy()
    y[::10] = (y[::10] + 1) % 10
    samples = Samples(x.numpy(), y, 3 * np.arange(len(y)))
    options, suite = RunOptions(Batcher(7), ranks=ranks), read_suite("quick-1", None)
    made = SuiteRun(model, samples, suite, read_threat(threat), 10, options, cache=cache, watch=watch)
    return made.run(measure_clean(model, samples, batcher=Batcher(7), ranks=ranks).correct)


def measured(ranks, threat, cache=None):
    """Return all that is found, with the parameters of transforms as a text, in which NaN equals itself."""
    found = run_suite(ranks, threat, cache)
    return outcome(found), repr(None if found.theta is None else found.theta.tolist())


class Stopped(Exception):  # noqa: N818 - it is no error
    """The second stage begins."""


def stopped(ranks, threat, cache):
    def stop(progress):
        if progress.stage == 1:
            raise Stopped

    with pytest.raises(Stopped):
        run_suite(ranks, threat, cache, stop)


@pytest.mark.parametrize("threat", THREATS)
def test_they_find_what_one_finds(threat):
    first, other = together(2, measured, threat)
    alone = measured(ALONE, threat)

    assert 0 < sum(alone[0][0]) < 27
    assert first == alone
    assert other[0][0] == alone[0][0]
    assert other[1] == alone[1]


@pytest.mark.parametrize("threat", [threat for threat in THREATS if threat != "corruption:1"])  # of which one stage is
@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_it_goes_on_with_another_number_of_processes(before, after, threat, tmp_path):
    cache = SuiteCache(tmp_path)
    stopped(ALONE, threat, cache) if before == 1 else together(before, stopped, threat, cache)
    assert len([*tmp_path.iterdir()]) == 1
    found = measured(ALONE, threat, cache) if after == 1 else together(after, measured, threat, cache)[0]

    assert found == measured(ALONE, threat)
