"""Several processes find the worst scores that one finds, also where some of them have no sample."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks.threats.threat import read_threat
from robust.attacks.zoo.pgd import PGD
from robust.data.dataset import Samples
from robust.distributed.ranks import ALONE
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import measure_attack, measure_clean
from robust.evaluation.score import add_search, measure_clean_scores, search_scores
from robust.evaluation.time_limit import Deadline
from tests.distributed.together import together

THREAT = read_threat("linf:0.05")


class Sum(nn.Module):
    """A regressor in float64, where the other samples of a batch change nothing."""

    def forward(self, x):
        return (x.double() @ torch.arange(1.0, 7, dtype=torch.float64))[:, None]


def found(ranks, n, seconds=None):
    """Return (clean scores, worst scores, adversarial, inputs, why the search was stopped) of n samples."""
    x = np.random.default_rng(0).random((n, 6)).astype("float32")
    y = (x @ np.arange(1, 7))[:, None] + np.linspace(-1, 1, n)[:, None]
    samples = Samples(x, y.astype("float32"), 3 * np.arange(n), criterion="within:1.2")
    options = RunOptions(Batcher(7), ranks=ranks)
    clean = measure_clean(Sum(), samples, batcher=Batcher(7), ranks=ranks)
    single = measure_attack(Sum(), samples, clean.correct, "fgsm", THREAT, options)
    limited = None if seconds is None else Deadline(seconds[ranks.rank])
    attacks = [(PGD(steps=3), THREAT), (PGD(steps=2, loss="margin"), THREAT)]
    given = RunOptions(Batcher(7), ranks=ranks, deadline=limited)
    search = search_scores(Sum(), samples, single, clean.correct, attacks, given)
    both = add_search(single, search)
    scores = measure_clean_scores(Sum(), samples, options)
    return (
        scores[:, 0].tolist(),
        both.score.tolist(),
        both.adversarial.tolist(),
        both.x_adv.tolist(),
        both.score_partial,
    )


@pytest.mark.parametrize(("size", "n"), [(2, 20), (4, 3)])
def test_several_find_the_scores_that_one_finds_and_the_first_has_the_inputs(size, n):
    first, *others = together(size, partial(found, n=n))
    alone = found(ALONE, n)

    assert (np.array(alone[1]) > np.array(alone[0])).all()
    assert sum(alone[2]) > 0
    assert first == alone
    for other in others:
        assert other[:3] == alone[:3]
        assert other[3] == []


def test_a_search_that_is_stopped_on_one_rank_is_so_on_all():
    assert {each[4] for each in together(2, partial(found, n=20, seconds=(1e6, -1)))} == {"time"}
    assert found(ALONE, 20)[4] == ""
