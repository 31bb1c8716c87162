"""Remarks on weights before a training starts from them."""

import numpy as np
import pytest
import torch
from torch import nn

from robust.data.dataset import Samples
from robust.train.start import describe_start


class Nearest(nn.Module):
    """A classifier of inputs around 0 by their sign."""

    def __init__(self, centre=0.0):
        super().__init__()
        self.centre = nn.Parameter(torch.tensor(centre))

    def forward(self, x):
        z = x.flatten(1).mean(1, keepdim=True) - self.centre
        return torch.cat([-z, z], 1)


@pytest.fixture
def samples():
    y = np.arange(200) % 2
    x = np.full((200, 1, 2, 2), 0.5, np.float32) + 0.25 * (2 * y[:, None, None, None] - 1).astype(np.float32)
    return Samples(x, y, np.arange(200))


@pytest.mark.parametrize(
    ("module", "told"),
    [
        (Nearest(0.5), "starts from weights that answer 100.0% of 200 validation samples right"),
        (
            Nearest(0.0),
            "starts from weights that answer 50.0% of 200 validation samples right, and 100.0% with the inputs "
            "normalised by 0.5/0.25; if they were trained so, say --robust-normalize=0.5/0.25",
        ),
        (
            Nearest(9.0),
            "starts from weights that answer 50.0% of 200 validation samples right, no more than guessing: do they "
            "lack their normalisation, or is the last layer a new one?",
        ),
    ],
)
def test_a_line_tells_how_good_they_are_and_what_may_be_missing(samples, module, told):
    assert describe_start(module.train(), samples) == told
    assert module.training
