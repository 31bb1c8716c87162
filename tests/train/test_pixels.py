"""Adversarial training under a few pixels (l0)."""

import pytest
import torch

from robust.attacks import PixelThreat, assail, make
from robust.attacks.combine.bestof import BestOf
from robust.train.factory import read_recipe
from robust.train.loop import fit
from tests.train.test_recipes import data as data
from tests.train.test_recipes import network

THREAT = PixelThreat(2)
ATTACK = BestOf((make("pgd:loss=margin:steps=20"), make("sparse-rs:steps=200")))


def robust(recipe, data):
    learn, x, y = data
    net = network()
    net.load_state_dict(fit(net, read_recipe(f"{recipe}:epochs=8:lr=0.2"), learn, THREAT).weights)
    with torch.no_grad():
        return (~assail(net.eval(), ATTACK, x, y, THREAT).adversarial).float().mean().item()


@pytest.mark.parametrize("recipe", ["pgd-at", "fgsm-rs"])
def test_what_learns_from_exchanged_pixels_withstands_them_better(recipe, data):
    assert robust(recipe, data) > robust("standard", data) + 0.1
