"""The optimiser, the schedule and the loss of a plan: each as its option says."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from robust.data.dataset import Samples
from robust.train.optim import build_criterion, build_optimiser, build_schedule, l1_penalty
from robust.train.plan import Plan


def unbalanced(n=200):
    """Return samples of which class 0 has three times as many as class 1."""
    y = (np.arange(n) % 4 == 0).astype(np.int64)
    return Samples(np.zeros((n, 1, 8, 8), np.float32), y, np.arange(n))


def rates(steps=100, **options):
    plan = Plan(epochs=10, lr=1.0, **options)
    down = build_optimiser(nn.Linear(1, 1), plan)
    cycle, found = build_schedule(down, plan, steps), []
    for _ in range(steps):
        found.append(down.param_groups[0]["lr"])
        down.step()
        cycle.step()
    return np.array(found)


def test_the_rate_follows_its_schedule():
    half = np.arange(100) + 0.5

    assert rates(schedule="constant") == pytest.approx(np.ones(100))
    assert rates(schedule="cosine") == pytest.approx((1 + np.cos(math.pi * half / 100)) / 2)
    assert rates(schedule="piecewise") == pytest.approx(np.repeat([1.0, 0.1, 0.01], [50, 25, 25]))
    assert rates(schedule="cyclic") == pytest.approx(np.interp(half, [0, 40, 100], [0, 1, 0]))
    assert rates(schedule="one-cycle").argmax() == pytest.approx(30, abs=1)


def test_the_rate_rises_over_the_epochs_of_the_warm_up():
    assert rates(schedule="constant", warmup=2) == pytest.approx(np.minimum(np.arange(1, 101) / 20, 1))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sgd", torch.optim.SGD),
        ("adam", torch.optim.Adam),
        ("adamw", torch.optim.AdamW),
        ("rmsprop", torch.optim.RMSprop),
    ],
)
def test_the_optimiser_is_the_one_that_is_named(name, kind):
    found = build_optimiser(nn.Linear(1, 1), Plan(optimiser=name, weight_decay=0.01))

    assert type(found) is kind
    assert found.param_groups[0]["weight_decay"] == 0.01


def test_a_class_counts_by_how_rare_it_is():
    logits, y = torch.randn(8, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 0, 0, 1] * 2)
    found = build_criterion(Plan(class_weights="balanced"), unbalanced(), 3, torch.device("cpu"))(logits, y)
    each = F.cross_entropy(logits, y, reduction="none")

    torch.testing.assert_close(found, (each[y == 0].mean() + each[y == 1].mean()) / 2)


def test_labels_are_smoothed():
    logits, y = torch.randn(8, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1] * 4)
    found = build_criterion(Plan(smoothing=0.3), unbalanced(), 3, torch.device("cpu"))(logits, y)
    wanted = 0.7 * F.one_hot(y, 3) + 0.1

    torch.testing.assert_close(found, -(wanted * logits.log_softmax(1)).sum(1).mean())


def test_the_penalty_is_of_what_learns():
    net = nn.Linear(2, 1)
    nn.init.constant_(net.weight, -3.0)
    net.bias.requires_grad_(False)

    assert l1_penalty(net, Plan(l1=0.5)).item() == 3.0
