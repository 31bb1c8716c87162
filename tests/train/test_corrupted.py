"""Training by augmentation with corruptions: what is drawn, and that it helps against corruptions that are held out."""

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks import CorruptionThreat, LpThreat, Rng
from robust.attacks.task import Task
from robust.data.dataset import Samples
from robust.train.factory import read_recipe
from robust.train.prepare import rehearse

X = torch.rand((40, 1, 8, 8), generator=torch.Generator().manual_seed(0))
Y = torch.zeros(40, dtype=torch.int64)
THREAT = LpThreat.parse("linf:0.1")


def inputs(spec, seed=0):
    task = Task.of(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), X, Y, THREAT, Rng.of(seed, torch.arange(40)))
    return read_recipe(spec).recipe.inputs(task)


def test_half_of_the_pictures_are_corrupted_each_in_a_way_of_its_own():
    found = inputs("corrupted")
    changed = (found != X).flatten(1).any(1)
    assert 10 <= int(changed.sum()) <= 30
    assert (inputs("corrupted") == found).all()
    assert not (inputs("corrupted", seed=1) == found).flatten(1).all(1).all()
    assert (inputs("corrupted:clean=0") != X).flatten(1).any(1).sum() >= 38  # one may spare a small picture


def test_only_what_is_named_is_drawn_up_to_the_severity():
    found = inputs("corrupted:which=contrast:severity=2:clean=0")
    made = [CorruptionThreat.parse(f"corruption:{k}:contrast").apply(X, "contrast") for k in (1, 2)]
    same = torch.stack([(found == x).flatten(1).all(1) for x in made])
    assert same.any(0).all()
    assert same.any(1).all()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("corrupted:severity=6", "the severity must be 1 to 5"),
        ("corrupted:which=fogg", "unknown corruption 'fogg', did you mean 'fog'"),
        ("corrupted:clean=1", "clean, a share of the pictures, must be from 0 to below 1, got 1"),
    ],
)
def test_wrong_options_are_one_line(spec, message):
    with pytest.raises(ValueError, match=message):
        read_recipe(spec)


def test_what_is_no_picture_is_refused():
    rows = Samples(np.zeros((4, 9), np.float32), np.zeros(4, np.int64), np.arange(4))
    with pytest.raises(ValueError, match=r"^corruption is for pictures.* shape \[9\]"):
        rehearse(nn.Linear(9, 2), read_recipe("corrupted"), rows, THREAT)


def test_it_is_for_any_threat_model_and_adversarial_training_is_not_for_corruptions():
    pictures = Samples(X.numpy(), Y.numpy(), np.arange(40))
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    for threat in (THREAT, CorruptionThreat.parse("corruption:3")):
        rehearse(net, read_recipe("corrupted"), pictures, threat)
    with pytest.raises(ValueError, match=r"^it is not for the threat model corruption:3; take corrupted, .*standard"):
        rehearse(net, read_recipe("pgd-at"), pictures, CorruptionThreat.parse("corruption:3"))
