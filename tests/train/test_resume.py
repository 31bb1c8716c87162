"""A training that is stopped at any moment goes on to the very weights that it would have come to."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from robust.attacks import LpThreat
from robust.data.dataset import DATA
from robust.train import loop
from robust.train.cache import train
from robust.train.factory import read_recipe
from robust.train.loop import fit
from robust.train.setup import FitOptions, TrainingSpec

THREAT = LpThreat.parse("linf:0.1")
ROOT = Path(__file__).parent.parent.parent

# What keeps a state: dropout and augmentation the random stream, batch norm, momenta, averages, a perturbation.
WORDS = [
    "pgd-at:steps=1:epochs=3",
    "trades+awp+ema:steps=1:epochs=3:optimiser=adam:schedule=cosine:augment=crop-flip",
    "free+swa:replays=2:epochs=3:swa_start=0.4",
    "standard:epochs=3:sampling=balanced:optimiser=rmsprop",
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
    """The moment comes."""


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("after", [1, 5, 8, 11])
def test_it_goes_on_from_within_an_epoch(word, after, samples, tmp_path, monkeypatch):
    """Of 12 batches in 3 epochs; what was done after the last save is done again."""
    whole = fit(network(), read_recipe(word), samples, THREAT)
    options = FitOptions(saved=tmp_path / "saved.pt")
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    saves, real = [], loop.Training.save

    def save(self, path):
        real(self, path)
        saves.append(path)
        if len(saves) == after + after // 5:  # one more after every epoch
            raise Stopped

    with monkeypatch.context() as stopping:
        stopping.setattr(loop.Training, "save", save)
        with pytest.raises(Stopped):
            fit(network(), read_recipe(word), samples, THREAT, options=options)
    found = fit(network(), read_recipe(word), samples, THREAT, options=options)

    assert found.curve == whole.curve
    assert found.best == whole.best
    assert all(torch.equal(value, whole.weights[name]) for name, value in found.weights.items())


def test_what_is_over_stays_over(samples, tmp_path):
    epochs = []
    method, options = read_recipe("standard:epochs=2"), FitOptions(epochs.append, saved=tmp_path / "saved.pt")
    first = fit(network(), method, samples, THREAT, options=options)
    assert len(epochs) == 2
    second = fit(network(), method, samples, THREAT, options=options)

    assert len(epochs) == 2
    assert first.curve == second.curve


CHILD = """
import sys
from pathlib import Path
from robust.train import loop
from tests.train import test_resume
loop.SAVE_EVERY = 0.0
test_resume.train_in(Path(sys.argv[1]))
"""


def train_in(folder):
    return train(
        TrainingSpec(network, "pgd-at+ema:steps=5:epochs=4", DATA.get("digits"), THREAT, 0, "net"), folder
    ).path


def killed(folder, pause):
    """Train in a process of its own, and kill it a while after it saved; whether it was still at work."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], cwd=ROOT, env=environment)
    seen = {path: path.stat().st_mtime_ns for path in folder.glob(".unfinished/*.pt")}
    while child.poll() is None:
        time.sleep(0.001)
        if any(path.stat().st_mtime_ns != seen.get(path) for path in folder.glob(".unfinished/*.pt")):
            break
    time.sleep(pause)
    child.kill()
    return child.wait() == -signal.SIGKILL


def test_killed_at_any_moment_it_ends_with_the_same_weights(tmp_path):
    """Killed twice, a random while after something was saved, and then left to end."""
    whole = train_in(tmp_path / "whole")
    folder = tmp_path / "killed"

    assert [killed(folder, pause) for pause in np.random.default_rng().uniform(0, 0.1, 2)] == [True, True]
    assert not [*folder.glob("*.safetensors")]
    (saved,) = folder.glob(".unfinished/*.pt")
    a, b = load_file(whole), load_file(train_in(folder))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not saved.exists()
