"""An attack along measured slopes breaks what gives it no gradient, and each sample gets the same in any batch."""

import pytest
import torch
from torch import nn

from robust.attacks import PGD, LpThreat, Rng, assail
from robust.attacks.task import Task
from robust.trust.sloped import DIRECTIONS, Sloped
from tests.attacks.models import Affine, inputs

FEATURES = 64
PLAIN = PGD(20, stride=1.0, loss="margin", last=0.01)


class Rounded(nn.Module):
    """A linear model of the inputs on a grid of levels: no gradient anywhere."""

    def __init__(self, levels=16):
        super().__init__()
        self.inner, self.levels = Affine(10, FEATURES).requires_grad_(False), levels

    def forward(self, x):
        return self.inner((self.levels * x).round() / self.levels)


@pytest.fixture(scope="module")
def subject():
    model, x = Rounded(), 0.25 + 0.5 * inputs(24, (FEATURES,))
    y = model(x).argmax(1)
    eps = 1.2 * float(model.inner.distance(x, "linf").max()) + 1 / 16
    return model, x, y, LpThreat.parse(f"linf:{eps}")


def count(attack, subject):
    model, x, y, threat = subject
    return int(assail(model, attack, x, y, threat).adversarial.sum())


def test_it_breaks_a_rounded_model_that_has_no_gradient(subject):
    model, x, *_ = subject

    assert not torch.autograd.grad(model(leaf := x.clone().requires_grad_()).sum(), leaf)[0].any()
    assert count(PLAIN, subject) < len(x) / 2
    assert count(Sloped(PLAIN, model), subject) == len(x)


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_it_is_for_every_norm(subject, norm):
    model, x, y, _ = subject
    threat = LpThreat.parse(f"{norm}:{2 * float(model.inner.distance(x, norm).max())}")

    assert count(Sloped(PLAIN, model), (model, x, y, threat)) > len(x) / 2


def test_a_sample_gets_the_same_in_any_batch(subject):
    model, x, y, _ = subject
    attack = Sloped(PGD(4, stride=1.0, loss="margin"), model)
    small = LpThreat.parse("linf:0.01")
    index = torch.arange(len(x))

    def run(rows):
        return assail(model, attack, x[rows], y[rows], small, seed=Rng.of(0, index[rows]))

    whole, parts = run(index), [run(rows) for rows in index.split(5)]

    assert torch.equal(whole.adversarial, torch.cat([part.adversarial for part in parts]))
    torch.testing.assert_close(whole.x_adv, torch.cat([part.x_adv for part in parts]), rtol=0, atol=1e-12)


def test_the_estimate_is_whole_after_as_many_steps_as_the_features_have_directions(subject):
    """A linear model's gradient is met exactly once all directions were measured."""
    _, x, y, threat = subject
    model = Affine(10, FEATURES).requires_grad_(False)
    attack = Sloped(PLAIN, model)
    task = Task.of(model, x, y, threat, Rng.of(0, torch.arange(len(x))))
    with torch.no_grad():
        state = attack.init(task)
        errors = []
        for k in range(-(-FEATURES // DIRECTIONS) * 6):
            state = attack.step(task, state, k)
            other = model(state.x).scatter(1, y[:, None], -torch.inf).argmax(1)
            right = model.weight[other] - model.weight[y]
            errors.append(float(torch.cosine_similarity(state.estimate, right).min()))

    assert errors[-1] > 0.9
