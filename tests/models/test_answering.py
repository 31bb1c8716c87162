"""Which models answer at random."""

import itertools
import os

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
