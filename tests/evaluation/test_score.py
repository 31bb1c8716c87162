"""The search for worst scores: what it costs is foreseen, and it tells how far it is."""

import math
from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from robust.attacks.factory import make
from robust.attacks.threats.threat import read_threat
from robust.data.dataset import Samples
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import measure_attack
from robust.evaluation.score import SearchCost, add_search, foresee_search, search_scores

THREAT = read_threat("linf:0.05")
SAMPLES = Samples(
    np.full((20, 4), 0.5, np.float32), np.zeros((20, 1), np.float32), np.arange(20), criterion="within:10"
)


def searching(attack, threat=THREAT, batch=8):
    """Return (what was foreseen, the shares of progress, how many samples went through the model)."""
    model, shares, passed = nn.Linear(4, 1), [], []
    model.register_forward_hook(lambda module, inputs, output: passed.append(len(inputs[0])))
    options = RunOptions(Batcher(batch), watch=shares.append)
    found = measure_attack(model, SAMPLES, np.ones(20, bool), "fgsm", threat, options)
    aimed, before = [(make(attack), threat)], sum(passed)
    foreseen = foresee_search(20, found, aimed)
    shares.clear()
    search_scores(model, SAMPLES, found, np.ones(20, bool), aimed, options)
    return foreseen, shares, sum(passed) - before


@pytest.mark.parametrize(
    ("attack", "threat", "steps"),
    [
        ("pgd:steps=6", "linf:0.05", 6),
        ("pgd:steps=6:restarts=2", "linf:0.05", 12),
        ("pgd:steps=6", "linf:0.05+l2:0.1", 12),
        ("pgd:steps=6:starts=3", "linf:0.05", 18),
    ],
)
def test_the_steps_that_are_foreseen_are_those_that_are_taken(attack, threat, steps):
    foreseen, shares, passed = searching(attack, read_threat(threat))

    assert foreseen.steps == steps
    assert 0 < foreseen.seconds < math.inf
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert 20 * steps <= passed <= 20 * (steps + 14)  # and what is asked to verify it


def test_the_cost_in_words():
    cost = SearchCost(147, 240, 130.0)

    assert cost.describe() == "147 samples, 240 steps of each, at most about 2.2 min"
    assert cost.describe(20.0) == "147 samples, 240 steps of each, at most about 2.2 min, of which the run has 20 s"
    assert replace(cost, seconds=math.nan).describe() == "147 samples, 240 steps of each"


def test_the_regions_of_a_map_are_those_of_its_worst_input():
    """A model that answers with its input: the brighter half of each pixel's two channels."""
    x = np.random.default_rng(0).uniform(0.3, 0.7, (12, 2, 4, 4)).astype(np.float32)
    y = np.where(x[:, 1] > x[:, 0], 1, 0)
    samples, model = Samples(x, y, np.arange(12), criterion="pixels:0.5"), nn.Identity()
    options, threat = RunOptions(Batcher(5)), read_threat("linf:0.05")
    found = measure_attack(model, samples, np.ones(12, bool), "fgsm", threat, options)

    search = search_scores(model, samples, found, np.ones(12, bool), [(make("pgd:steps=4:stride=1"), threat)], options)

    stays = np.abs(x[:, 1] - x[:, 0]) > 0.1
    expected = [(stays & (y == k)).sum((1, 2)) for k in (0, 1)] + [((y == k) | ~stays).sum((1, 2)) for k in (0, 1)]
    np.testing.assert_allclose(search.scores[:, 0], stays.mean((1, 2)), atol=1e-6)
    np.testing.assert_array_equal(search.scores[:, 1:], np.stack(expected, 1))


def test_the_cost_of_the_search_is_counted_and_added_to_that_of_the_attack():
    model, options = nn.Linear(4, 1), RunOptions(Batcher(8))
    found = measure_attack(model, SAMPLES, np.ones(20, bool), "fgsm", THREAT, options)
    attacks = [(make("pgd:steps=6"), THREAT), (make("fgsm"), THREAT)]
    search = search_scores(model, SAMPLES, found, np.ones(20, bool), attacks, options)
    both = add_search(found, search)

    assert search.cost[:2] == (20 * (1 + 6 + 1 + 1 + 1 + 1), 20 * (6 + 1))
    assert (both.forwards - found.forwards, both.backwards - found.backwards) == search.cost[:2]
    assert both.seconds == found.seconds + search.cost[2] > found.seconds


def test_a_patch_for_all_is_the_same_in_the_search_and_before_it():
    """The model answers with the mean of an image, of which two pixels may change: 2/16 of what they change by."""
    x = np.random.default_rng(0).uniform(0.2, 0.8, (40, 1, 4, 4)).astype(np.float32)
    y = x.mean((1, 2, 3))[:, None]
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 1, bias=False))
    nn.init.constant_(model[1].weight, 1 / 16)
    measured, others = (Samples(x[k], y[k], np.arange(20), criterion="within:0.06") for k in (slice(20), slice(20, 40)))
    options = RunOptions(Batcher(8), others=lambda n, seed: others)
    threat = read_threat("patch:1x2:universal=true")
    found = measure_attack(model, measured, np.ones(20, bool), "universal-patch:steps=20", threat, options)

    aimed = [(make("universal-patch:steps=20"), threat)]
    search = search_scores(model, measured, found, np.ones(20, bool), aimed, options)

    assert 0 < found.adversarial.sum() < 20
    np.testing.assert_array_equal(search.scores[:, 0] > 0.06, found.adversarial)
    assert not search.adversarial.any()
    assert search.cost[:2] == (2 * 20, 0)  # it is not learnt again
