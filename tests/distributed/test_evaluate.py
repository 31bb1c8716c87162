"""Several processes measure what one does, sample for sample, and go on where another number of them stopped."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks.threats.threat import read_threat
from robust.data.dataset import Samples
from robust.distributed.ranks import ALONE
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import measure_attack, measure_clean
from robust.evaluation.suite_cache import SuiteCache
from robust.evaluation.suite_run import SuiteRun
from tests.attacks.models import inputs, network
from tests.distributed.together import together
from tests.evaluation.test_suite_run import SUITE, outcome

THREAT = read_threat("linf:0.03")


class Wide(nn.Module):
    """A model in float64, where the other samples of a batch change nothing."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner.double()

    def forward(self, x):
        return self.inner(x.double())


def subject(n=60):
    """A model, and samples nine in ten of which it answers right."""
    model, x = Wide(network(dtype=torch.float64)), inputs(n, dtype=torch.float32)
    y = model(x).argmax(1).numpy()
    y[::10] = (y[::10] + 1) % 10
    return model, Samples(x.numpy(), y, 3 * np.arange(n))


def options(ranks):
    return RunOptions(Batcher(17), ranks=ranks)


def run_suite(ranks, cache=None, watch=lambda progress: None):
    model, samples = subject()
    clean = measure_clean(model, samples, batcher=Batcher(17), ranks=ranks)
    made = SuiteRun(model, samples, SUITE, THREAT, 10, options(ranks), cache=cache and SuiteCache(cache), watch=watch)
    return clean, made.run(clean.correct)


def measured(ranks):
    """Return all that is measured on the samples."""
    clean, suite = run_suite(ranks)
    model, samples = subject()
    single = measure_attack(model, samples, clean.correct, "pgd:steps=5", THREAT, options(ranks))
    few = measure_attack(model, samples.take(np.arange(2)), clean.correct[:2], "pgd", THREAT, options(ranks))
    return clean.correct.tolist(), clean.faulty, [outcome(found) for found in (suite, single, few)]


def without_inputs(results):
    correct, faulty, outcomes = results
    return correct, faulty, [(adversarial, *rest) for adversarial, _, *rest in outcomes]


@pytest.mark.parametrize("size", [2, 4])
def test_they_find_what_one_finds_and_the_first_has_the_inputs(size):
    first, *others = together(size, measured)
    alone = measured(ALONE)

    assert 0 < sum(alone[2][0][0]) < sum(alone[0])
    assert first == alone
    for other in others:
        assert without_inputs(other) == without_inputs(alone)
        assert all(x_adv == [] for _, x_adv, *_ in other[2])


class Stopped(Exception):  # noqa: N818 - it is no error
    """The moment comes."""


def stop(rounds, progress):
    rounds += [progress] * isinstance(progress.round, int)  # between two steps of an attack it is none
    if len(rounds) > 3:
        raise Stopped


def stopped(ranks, folder):
    with pytest.raises(Stopped):
        run_suite(ranks, folder, partial(stop, []))


def gone_on(ranks, folder):
    return outcome(run_suite(ranks, folder)[1])


@pytest.mark.parametrize(("before", "after"), [(2, 4), (4, 1), (1, 2)])
def test_it_goes_on_with_another_number_of_processes(before, after, tmp_path):
    stopped(ALONE, tmp_path) if before == 1 else together(before, stopped, tmp_path)
    rounds = sorted(tmp_path.iterdir())
    written = [file.read_bytes() for file in rounds]
    found = gone_on(ALONE, tmp_path) if after == 1 else together(after, gone_on, tmp_path)[0]

    assert len(rounds) == 3
    assert [file.read_bytes() for file in rounds] == written
    assert found == gone_on(ALONE, None)
