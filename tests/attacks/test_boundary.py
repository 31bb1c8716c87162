"""The nearest boundary of the linearised model: what it costs, and that it is that of the logits' own gradients."""

import pytest
import torch
from torch import nn

from robust.attacks import LpThreat
from robust.attacks.rng import Rng
from robust.attacks.task import Task
from robust.attacks.zoo._boundary import nearest_boundary

N, FEATURES = 6, 12


def see(classes, candidates):
    """Return (task, logits, gap, slope) of a network with so many classes, from random points."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(FEATURES, 16), nn.Tanh(), nn.Linear(16, classes)).double()
    x = torch.rand(N, FEATURES, dtype=torch.float64)
    logits = model(x).detach()
    task = Task.of(model, x, logits.argmax(1), LpThreat.parse("l2:1"), Rng.of(0, torch.arange(N)))
    return task, logits, *nearest_boundary(task, x, logits, candidates)


@pytest.mark.parametrize(("classes", "candidates", "cost"), [(10, 3, 3), (10, 9, 9), (10, 20, 9), (3, 9, 2), (2, 9, 1)])
def test_each_candidate_costs_one_gradient(classes, candidates, cost):
    task, *_ = see(classes, candidates)

    assert (task.cost.backwards == cost).all()
    assert (task.cost.forwards == 1).all()


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_it_is_the_nearest_of_the_boundaries_that_the_jacobian_gives(classes):
    task, logits, gap, slope = see(classes, 9)

    rows = torch.autograd.functional.jacobian(lambda x: task.model(x).sum(0), task.x)  # (classes, n, features)
    for n, label in enumerate(task.y.tolist()):
        others = [c for c in range(classes) if c != label]
        slopes = torch.stack([rows[c, n] - rows[label, n] for c in others])
        gaps = torch.stack([logits[n, label] - logits[n, c] for c in others])
        nearest = (gaps / slopes.norm(dim=1)).argmin()
        torch.testing.assert_close(slope[n], slopes[nearest])
        torch.testing.assert_close(gap[n], gaps[nearest])
