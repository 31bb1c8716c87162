"""A training that is stopped at any moment goes on to the same weights as without the stop."""

import signal
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from robust.attacks import LpThreat
from robust.data.dataset import DATA
from robust.data.factory import open_data
from robust.train import loop
from robust.train.cache import train
from robust.train.factory import read_recipe
from robust.train.loop import fit
from robust.train.setup import FitOptions, TrainingSpec
from tests.train.processes import CONTEXT

THREAT = LpThreat.parse("linf:0.1")

# Each has another state: the random stream of dropout and augmentation, batch norm, momenta, averages, a perturbation,
# how far a ramp is.
RECIPES = [
    "pgd-at:steps=1:epochs=3",
    "trades+awp+ema:steps=1:epochs=3:optimiser=adam:schedule=cosine:augment=crop-flip",
    "free+swa:replays=2:epochs=3:swa_start=0.4",
    "standard:epochs=3:sampling=balanced:optimiser=rmsprop",
    "ibp+ema:epochs=3",
]


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = [nn.Flatten(), nn.Dropout(0.2), nn.Linear(4 * 64, 10)]
        return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), *head)


@pytest.fixture(scope="module")
def samples():
    return DATA.get("digits").load("train").draw(300, seed=0)[0]


class Stopped(Exception):  # noqa: N818 - it is no error
    """Raised at the moment of the stop."""


@pytest.fixture(scope="module")
def whole(samples):
    """Return a function: the uninterrupted training of a recipe, run once."""
    return cache(lambda recipe: fit(network(), read_recipe(recipe), samples, THREAT))


# Of 12 batches in 3 epochs: within the first epoch, and after the first and the last batch of the second.
MOMENTS = [(1, RECIPES[0]), *((after, recipe) for after in (5, 8) for recipe in RECIPES)]


@pytest.mark.parametrize(("after", "recipe"), MOMENTS)
def test_it_goes_on_from_within_an_epoch(recipe, after, whole, samples, tmp_path, monkeypatch):
    """Repeat the work that was done after the last save."""
    expected, resumed_at = whole(recipe), []
    options = FitOptions(on_resume=resumed_at.append, saved=tmp_path / "saved.pt")
    saves, real = [], loop.Training.save

    def save(self, path):
        real(self, path)
        saves.append(path)
        if len(saves) == after + after // 5:  # one more after every epoch
            raise Stopped

    with monkeypatch.context() as stopping:
        stopping.setattr(loop, "SAVE_EVERY", 0.0)
        stopping.setattr(loop.Training, "save", save)
        with pytest.raises(Stopped):
            fit(network(), read_recipe(recipe), samples, THREAT, options=options)
    assert resumed_at == []
    resumed = fit(network(), read_recipe(recipe), samples, THREAT, options=options)

    assert resumed_at == [1 if after == 1 else 2]
    assert resumed.curve == expected.curve
    assert resumed.best == expected.best
    assert all(torch.equal(value, expected.weights[name]) for name, value in resumed.weights.items())


def test_what_is_over_stays_over(samples, tmp_path):
    epochs = []
    method, options = read_recipe("standard:epochs=2"), FitOptions(epochs.append, saved=tmp_path / "saved.pt")
    first = fit(network(), method, samples, THREAT, options=options)
    assert len(epochs) == 2
    second = fit(network(), method, samples, THREAT, options=options)

    assert len(epochs) == 2
    assert first.curve == second.curve


SPEC = TrainingSpec(network, "pgd-at+ema:steps=5:epochs=8", open_data("digits:only=3+5", Path()), THREAT, 0, "net")


def train_in(folder):
    """Train, and save after every batch."""
    torch.set_num_threads(1)
    loop.SAVE_EVERY = 0.0
    return train(SPEC, folder).path


def is_killed_at_work(folder, pause):
    """Train in a process of its own, kill it `pause` seconds after it saved; return whether it was still at work."""
    child = CONTEXT.Process(target=train_in, args=(folder,))
    child.start()
    seen = {path: path.stat().st_mtime_ns for path in folder.glob(".unfinished/*.pt")}
    while child.is_alive():
        time.sleep(0.001)
        if any(path.stat().st_mtime_ns != seen.get(path) for path in folder.glob(".unfinished/*.pt")):
            break
    time.sleep(pause)
    child.kill()
    child.join()
    return child.exitcode == -signal.SIGKILL


def test_killed_at_any_moment_it_ends_with_the_same_weights(tmp_path):
    """Kill it twice, each time a random while after it saved, and then let it end."""
    whole = train(SPEC, tmp_path / "whole").path
    folder = tmp_path / "killed"

    assert [is_killed_at_work(folder, pause) for pause in np.random.default_rng().uniform(0, 0.1, 2)] == [True, True]
    assert not [*folder.glob("*.safetensors")]
    (saved,) = folder.glob(".unfinished/*.pt")
    a, b = load_file(whole), load_file(train(SPEC, folder).path)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not saved.exists()
