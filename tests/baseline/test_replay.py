"""Inputs that a baseline keeps, shown to another model. The models answer by the sum of their two features."""

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks import LpThreat
from robust.baseline.replay import Replay, find_hardest, replay_inputs
from robust.data.dataset import Samples
from robust.evaluation.batching import Batcher

BALL, FEED = LpThreat.parse("linf:0.1"), Batcher(3)


def model(bound):
    """Answers 1 where the sum is above the bound."""
    layer = nn.Linear(2, 2)
    layer.weight.data = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    layer.bias.data = torch.tensor([0.0, -bound])
    return layer


X = np.array([[0.9, 0.9], [0.65, 0.65], [0.58, 0.58], [0.52, 0.52], [0.1, 0.1]], np.float32)
SAMPLES = Samples(X, np.array([1, 1, 1, 1, 0]), np.arange(5))
ROBUST = np.array([True, True, False, False, True])  # of model(1.0): the sum can fall by 0.2


def test_the_hardest_input_of_each_sample_is_kept():
    x_adv, rows = find_hardest(model(1.0), SAMPLES, ROBUST, BALL, 0, FEED)

    assert rows.tolist() == [0, 1, 2, 3, 4]
    assert x_adv == pytest.approx(np.clip(X + np.array([[-0.1], [-0.1], [-0.1], [-0.1], [0.1]]), 0, 1), abs=1e-5)


def test_what_the_row_called_standing_and_falls_to_it_is_not_kept():
    """It would be held against another model alone."""
    said = np.array([True, True, True, False, True])

    assert find_hardest(model(1.0), SAMPLES, said, BALL, 0, FEED)[1].tolist() == [0, 1, 3, 4]


def test_a_weaker_model_falls_to_them_where_the_old_one_stood():
    kept = find_hardest(model(1.0), SAMPLES, ROBUST, BALL, 0, FEED)

    assert replay_inputs(model(1.0), SAMPLES, [kept], BALL, FEED).adversarial.tolist() == (~ROBUST).tolist()
    weaker = replay_inputs(model(1.12), SAMPLES, [kept], BALL, FEED)
    assert weaker.adversarial.tolist() == [False, True, True, False, False]
    #                                       the fourth is answered wrong as it is: it does not fall
    assert not replay_inputs(model(0.8), SAMPLES, [kept], BALL, FEED).adversarial.any()


def test_an_input_that_the_threat_model_does_not_admit_counts_for_nothing():
    far = np.zeros((1, 2), np.float32), np.array([0])

    assert not replay_inputs(model(1.0), SAMPLES, [far], BALL, FEED).adversarial.any()


@pytest.mark.parametrize(
    "wrong",
    [
        (np.zeros((1, 3), np.float32), np.array([0])),
        (np.zeros((2, 2), np.float32), np.array([0])),
        (np.zeros((1, 2), np.float32), np.array([5])),
        (np.zeros((1, 2), np.float32), np.array([-1])),
    ],
)
def test_inputs_of_other_samples_are_refused(wrong):
    with pytest.raises(ValueError, match="are not of these samples"):
        replay_inputs(model(1.0), SAMPLES, [wrong], BALL, FEED)


def test_what_may_be_won_and_what_came_nearest_is_attacked_first():
    margin = -np.arange(30, 0, -1, dtype=np.float32)  # the last came nearest
    stood, left = np.arange(30) >= 10, np.arange(30) != 29

    assert Replay(~left, margin).first(stood, left).tolist() == [*range(10), 27, 28]


def test_a_model_without_gradients_has_no_hardest_inputs():
    class Detached(nn.Linear):
        def forward(self, x):
            return super().forward(x.detach())

    assert find_hardest(Detached(2, 2).requires_grad_(False), SAMPLES, ROBUST, BALL, 0, FEED) is None


def test_the_model_is_left_as_it_was():
    found = model(1.0).train()
    before = torch.random.get_rng_state()
    replay_inputs(found, SAMPLES, [find_hardest(found, SAMPLES, ROBUST, BALL, 0, FEED)], BALL, FEED)

    assert torch.equal(before, torch.random.get_rng_state())
    assert found.training
    assert all(p.requires_grad and p.grad is None for p in found.parameters())
