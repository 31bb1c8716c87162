"""Which models answer at random."""

import itertools
import os
import random

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks import Drawn
from robust.models.answering import add_draws, compare_answers, count_draws, draws_of
from robust.models.weights import count_parameters, hash_weights

COUNT = itertools.count()


class Form(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.body, self.change = nn.Linear(4, 3), change

    def forward(self, x):
        return self.body(x) + self.change(x)


def fail(x):
    raise RuntimeError("no such input")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda x: 0, "same"),
        (lambda x: 1e-6 * torch.randn(len(x), 1), "same"),  # as kernels that add in any order
        (lambda x: torch.randn(len(x), 1), "drawn"),
        (lambda x: nn.functional.dropout(x[:, :3], 0.5), "drawn"),
        (lambda x: (torch.rand(len(x), 1) < 0.1) * 5.0, "drawn"),
        (lambda x: next(COUNT) / 10, "changing"),
        (lambda x: os.urandom(1)[0] / 100, "changing"),
        (lambda x: torch.nan, "same"),
        (fail, "same"),
    ],
    ids=["nothing", "rounding", "noise", "dropout", "rare", "counter", "system", "nan", "error"],
)
def test_answers_are_drawn_if_the_seed_decides_them(change, kind):
    form, x = Form(change), torch.rand(16, 4)
    before = torch.random.get_rng_state()

    assert compare_answers(form, x) == kind
    assert torch.equal(before, torch.random.get_rng_state())


def test_an_answer_that_is_near_the_first_by_chance_is_not_drawn():
    values = itertools.chain([0.0, 1.0, 0.0], itertools.repeat(0.5))

    assert compare_answers(Form(lambda x: next(values)), torch.rand(16, 4)) == "changing"


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        (lambda x: 0, 3),
        (lambda x: torch.randn(len(x), 1), 6),
        (lambda x: 0 * torch.randn(len(x), 1), 8),
        (lambda x: (torch.rand(1) < 1e-3) * 5.0, 8),  # one that none of the eight answers shows
        (lambda x: 0 * np.random.rand(), 8),
        (lambda x: 0 * random.random(), 8),
    ],
    ids=["nothing", "noise", "unused", "rarest", "numpy", "python"],
)
def test_it_is_asked_often_only_if_it_draws_and_shows_no_difference(change, asked):
    times = itertools.count()
    form = Form(lambda x: change(x) + 0 * next(times))
    compare_answers(form, torch.rand(16, 4))

    assert next(times) == asked


def test_noise_that_puts_the_stream_back_is_found():
    def change(x):
        with torch.random.fork_rng():
            return torch.randn(len(x), 1)

    assert compare_answers(Form(change), torch.rand(16, 4)) == "drawn"


def test_how_answers_are_formed_is_none_of_the_weights():
    module = Form(lambda x: torch.randn(len(x), 1))
    drawn = add_draws(module, "mean:3", "class")

    assert add_draws(module, "", "class") is module
    assert (draws_of(drawn), count_draws(drawn)) == ("mean:3", 3)
    assert (draws_of(module), count_draws(module)) == ("", 1)
    assert hash_weights(drawn) == hash_weights(module)
    assert count_parameters(drawn) == count_parameters(module) == 15
    assert isinstance(drawn, Drawn)
    assert not drawn.eval().inner.training
