"""A model that sets its own seed draws anew, and the global random state afterwards is as if it had not."""

from contextlib import suppress

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from robust.attacks.rng import seeded
from robust.trust.redrawn import Redrawn

X = torch.linspace(0.1, 1, 40).view(2, 20)


class Model(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.way, self.generator = way, torch.Generator()

    def forward(self, x):
        return self.way(self, x)


def seeds_all(model, x):
    torch.manual_seed(3)
    return x + torch.randn_like(x)


def forks(model, x):
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(3)
        return x + torch.rand(x.shape)


def holds(model, x):
    model.generator.manual_seed(3)
    return x + torch.randn(x.shape, generator=model.generator)


def holds_in_place(model, x):
    model.generator.manual_seed(3)
    return x + torch.empty_like(x).uniform_(generator=model.generator)


def drops(model, x):
    torch.manual_seed(int(1000 * x.sum()))  # as a seed of the input
    return F.dropout(x, 0.5, training=True)


def drops_by_layer(model, x):
    torch.manual_seed(3)
    return nn.Dropout(0.5)(x)


def permutes(model, x):
    torch.manual_seed(3)
    return x[:, torch.randperm(x.shape[1])]


def sets_state(model, x):
    torch.set_rng_state(torch.Generator().manual_seed(3).get_state())
    return x + torch.normal(torch.zeros_like(x), 1.0)


def samples(model, x):
    torch.manual_seed(3)
    return x + torch.distributions.Normal(0.0, torch.ones_like(x)).rsample()


@pytest.mark.parametrize(
    "way", [seeds_all, forks, holds, holds_in_place, drops, drops_by_layer, permutes, sets_state, samples]
)
def test_other_numbers_are_drawn_each_time_whatever_seed_is_set(way):
    model = Model(way)
    redrawn = Redrawn(model)

    assert torch.equal(model(X), model(X))
    with seeded(0):
        first, second = redrawn(X), redrawn(X)
    assert not torch.equal(first, second)
    with seeded(0):
        assert torch.equal(redrawn(X), first)
    assert torch.equal(model(X), model(X))


def test_two_draws_of_one_pass_differ():
    def twice(model, x):
        torch.manual_seed(3)
        first = torch.randn_like(x)
        torch.manual_seed(3)
        return first - torch.randn_like(x)

    assert not Model(twice)(X).any()
    assert Redrawn(Model(twice))(X).all()


def test_a_model_that_draws_nothing_answers_as_ever():
    assert torch.equal(Redrawn(Model(lambda model, x: 2 * x))(X), 2 * X)


def fails(model, x):
    seeds_all(model, x)
    raise RuntimeError("no answer")


@pytest.mark.parametrize("way", [seeds_all, fails])
def test_the_global_state_is_not_what_the_model_sets(way):
    def draw():
        with suppress(RuntimeError):
            Redrawn(Model(way))(X)
        return float(torch.rand(()))

    with seeded(0):
        numbers = {draw() for _ in range(3)}
        seeds_all(None, X)
        seeded_by_model = float(torch.rand(()))
    assert len(numbers) == 3
    assert seeded_by_model not in numbers


def test_gradients_pass():
    leaf = X.clone().requires_grad_()
    Redrawn(Model(drops))(leaf).sum().backward()

    assert {*leaf.grad.flatten().tolist()} == {0.0, 2.0}
