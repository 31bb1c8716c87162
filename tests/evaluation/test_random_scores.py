"""Mean scores of random answers: each is the mean of fresh ones, and no luck of a search or of a test is in it."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks import Drawn
from robust.attacks.factory import make
from robust.attacks.threats.threat import read_threat
from robust.data.dataset import Samples
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import measure_attack
from robust.evaluation.score import measure_clean_scores, search_scores
from robust.gates import Floor, Mean, decide
from robust.verification.random_answers import SCORED

N, NOISE, THREAT = 200, 0.5, read_threat("linf:0.1")


class Noisy(nn.Module):
    """Answers with the first feature, or with 0.4 whatever the input is, and noise."""

    def __init__(self, *, blind):
        super().__init__()
        self.blind, self.calls = blind, 0

    def forward(self, x):
        self.calls += 1
        seen = 0.4 + 0 * x[:, :1] if self.blind else x[:, :1]
        return seen + NOISE * torch.randn(len(x), 1)


def samples(at=0.4, criterion="within:1"):
    return Samples(np.full((N, 2), at, np.float32), np.zeros((N, 1), np.float32), np.arange(N), criterion=criterion)


def expected_error(at, noise=NOISE):
    """Return the mean of |at + noise * z|, and the standard error of the mean over N samples of SCORED answers."""
    ratio = at / noise
    mean = noise * math.sqrt(2 / math.pi) * math.exp(-(ratio**2) / 2) + at * math.erf(ratio / math.sqrt(2))
    return mean, math.sqrt((at**2 + noise**2 - mean**2) / (N * SCORED))


def search(model, given, *attacks):
    options = RunOptions(Batcher(64))
    found = measure_attack(model, given, np.ones(N, bool), "noise:steps=2", THREAT, options)
    aimed = [(make(attack), THREAT) for attack in attacks]
    return search_scores(model, given, found, np.ones(N, bool), aimed, options).scores[:, 0]


@pytest.mark.parametrize("at", [0.0, 0.4])
def test_without_an_attack_it_is_the_mean_whether_or_not_the_test_of_the_answer_ends_early(at):
    mean, error = expected_error(at)
    for tolerance in (0.1, 0.4, 2):  # most are wrong, about half are, and hardly any is
        model = Noisy(blind=False)
        scores = measure_clean_scores(Drawn(model), samples(at, f"within:{tolerance}"), RunOptions(Batcher(N)))
        assert abs(scores[:, 0].mean() - mean) < 4 * error
        assert model.calls == SCORED * math.ceil(N / (N // 2))


def test_what_an_attack_cannot_change_is_not_made_worse_by_choosing():
    mean, error = expected_error(0.4)
    scores = search(Drawn(Noisy(blind=True)), samples(), *["noise:steps=5"] * 6)

    assert abs(scores.mean() - mean) < 4 * error


@pytest.mark.parametrize("draws", [1, 4])
def test_under_attack_it_is_the_mean_at_the_worst_input_found(draws):
    word = f"mean:{draws}" if draws > 1 else "1"
    noise = NOISE / math.sqrt(draws)
    (least, _), (most, error) = expected_error(0.45, noise), expected_error(0.5, noise)
    scores = search(Drawn(Noisy(blind=False), word, "values"), samples(), "pgd:steps=4:stride=1")

    assert least < scores.mean() < most + 4 * error


@pytest.mark.parametrize(("limit", "ruling"), [(0.45, "fails"), (0.60, "holds")])
def test_a_limit_holds_at_one_side_of_the_expected_error_and_fails_at_the_other(limit, ruling):
    """The interval is over the samples, and has the spread of their answers in it: the error is 0.525."""
    assert 0.45 < expected_error(0.4)[0] < 0.60
    scores = search(Drawn(Noisy(blind=True)), samples(), "noise:steps=5")
    mean = Mean.of(scores)

    assert decide(mean, Floor(limit, "mean"), "ci", rises=True).ruling == ruling
    assert mean.high - mean.low < 5 * expected_error(0.4)[1]


def test_of_maps_the_share_and_the_regions_are_means():
    """Each pixel is answered wrong with a probability of 0.2; both labels are as many."""

    class Flipping(nn.Module):
        def forward(self, x):
            wrong = (torch.rand(x.shape[0], *x.shape[2:]) < 0.2).float()
            one = x[:, 0] + wrong - 2 * x[:, 0] * wrong
            return torch.stack([1 - one, one], 1)

    y = np.zeros((40, 4, 4), np.int64)
    y[:, :2] = 1
    given = Samples(y[:, None].astype(np.float32), y, np.arange(40), criterion="pixels:0.5")
    table = measure_clean_scores(Drawn(Flipping(), "1", "map"), given, RunOptions(Batcher(16)))

    assert abs(table[:, 0].mean() - 0.8) < 4 * math.sqrt(0.16 / (40 * 16 * SCORED))
    intersections, unions = table[:, 1:3].sum(0), table[:, 3:].sum(0)
    np.testing.assert_allclose(intersections / unions, 6.4 / (8 + 1.6), atol=0.01)
