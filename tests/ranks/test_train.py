"""Several processes train as one does with the same batches, and go on with what another number of them began."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from robust.attacks import LpThreat
from robust.data.dataset import DATA
from robust.ranks import ALONE
from robust.train import loop
from robust.train.loop import fit
from robust.train.recipe import RECIPES
from robust.train.word import read_recipe
from tests.ranks.together import together

THREAT = LpThreat.parse("linf:0.15")
STEPS = 20

# Batches of 17, so that shares differ; what a batch's company must not change has no batch norm and no dropout.
SHARED = "batch=17:schedule=constant"
WORDS = {
    **{name: name for name in RECIPES.names()},
    "awp": "trades+awp",
    "ema": "pgd-at+ema",
    "swa": "pgd-at+swa:swa_start=0",
    "options": "pgd-at:l1=0.001:clip=1:smoothing=0.1:sampling=balanced",
    "weights": "standard:class_weights=balanced",
    "pictures": "standard:augment=crop-flip",
}


def network(norm=False, dropout=0.0):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        between = [nn.BatchNorm1d(16)] if norm else []
        return nn.Sequential(
            nn.Flatten(), nn.Linear(64, 16), *between, nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 10)
        )


class Wide(nn.Module):
    """In float64: rounding grows from step to step, and is not what is asked about."""

    def __init__(self, dtype=torch.float64):
        super().__init__()
        self.inner = network().to(dtype)
        self.dtype = dtype

    def forward(self, x):
        return self.inner(x.to(self.dtype))


def samples(n):
    return DATA.get("digits").load("train").draw(n, seed=0)[0]


class Stopped(Exception):  # noqa: N818 - it is no error
    """The moment comes."""


def stop_after(steps):
    """A way to descend that ends the training then."""
    real, taken = loop._descend, []

    def descend(*args):
        if len(taken) == steps:
            raise Stopped
        taken.append(real(*args))
        return taken[-1]

    return descend


def first_steps(ranks, word):
    """The weights, all losses and means after the first steps of a training."""
    module, seen = Wide(torch.float32 if "class_weights" in word else torch.float64), []  # the weights are in float32
    with pytest.MonkeyPatch.context() as patched:
        begin = loop.Training.begin
        patched.setattr(loop.Training, "begin", lambda *args: seen.append(begin(*args)) or seen[-1])
        patched.setattr(loop, "_descend", stop_after(STEPS))
        with pytest.raises(Stopped):
            fit(module, read_recipe(word), samples(420), THREAT, ranks=ranks)
    (training,) = seen
    return {
        "weights": {name: value.tolist() for name, value in training.kept.state_dict().items()},
        "lengths": training.lengths.total.tolist(),
        "losses": training.losses,
    }


def all_first_steps(ranks, words):
    return {name: first_steps(ranks, word) for name, word in words.items()}


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    teacher = tmp_path_factory.mktemp("teacher") / "weights.safetensors"
    save_file(Wide().state_dict(), teacher)
    given = {**WORDS, "ard": f"ard:teacher={teacher}"}
    return {name: f"{word}:{SHARED}" for name, word in given.items()}


@pytest.fixture(scope="module")
def alone(words):
    return all_first_steps(ALONE, words)


@pytest.fixture(scope="module")
def two(words):
    return together(2, all_first_steps, words)


@pytest.mark.parametrize("name", WORDS)
def test_the_first_steps_are_those_of_one_process(name, alone, two):
    for found in two:
        for key in ("lengths", "losses"):
            assert found[name][key] == pytest.approx(alone[name][key], rel=1e-5, abs=1e-7)
        for layer, value in found[name]["weights"].items():
            wanted = torch.tensor(alone[name]["weights"][layer])
            torch.testing.assert_close(torch.tensor(value), wanted, rtol=1e-5, atol=1e-7)
