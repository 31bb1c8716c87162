"""Turned images through the plugin: a linear model, whose figure a grid of angles tells, from option to page."""

import base64
import json
import sys

import numpy as np
import pytest
import torch

from robust.attacks.threats.spatial import SpatialThreat
from robust.cli import main
from tests.plugin.test_main_job import records

SOURCE = """
import numpy as np
import torch
from torch import nn

def load(split):
    rng = np.random.default_rng(split == "test")
    x = rng.random((80, 1, 8, 8)).astype("float32")
    return x, score(torch.from_numpy(x)).argmax(1).numpy()

def maps(split):
    x, y = load(split)
    return x, np.repeat(np.repeat(y[:, None, None], 8, 1), 8, 2)

def rows(split):
    x, y = load(split)
    return x.reshape(80, -1), y

def score(x):
    gain = x.reshape(-1, 8, 8)[:, :, 4:].sum((1, 2)) - x.reshape(-1, 8, 8)[:, :, :4].sum((1, 2))
    return torch.stack([-gain, gain], 1)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.scale * score(x)

class Map(Net):
    def forward(self, x):
        return super().forward(x)[:, :, None, None].expand(-1, -1, 8, 8)

def make(): return Net()
def plain(): return Map()
"""
pytestmark = pytest.mark.usefixtures("exporting")
TURN = "spatial:rotate=40"


@pytest.fixture
def images(pytester, monkeypatch):
    """A folder with images and a linear model, and a run of them."""
    (pytester.path / "pics.py").write_text(SOURCE)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*args, data="pics.py:load", threat=TURN, model="pics.py:make"):
        options = [f"--robust-data={data}", f"--robust-threat={threat}", f"--robust-model={model}", "--robust-only"]
        return pytester.runpytest_inprocess(*options, *args)

    run.folder = pytester.path
    return run


def enumerate_angles(most, steps):
    """Return which of the images no turn by one of so many angles breaks."""
    space = {}
    exec(SOURCE, space)
    x, y = space["load"]("test")
    threat, robust = SpatialThreat.parse(f"spatial:rotate={most}"), np.ones(80, bool)
    for angle in np.linspace(-most, most, steps):
        theta = torch.tensor([[angle, 0, 0, 1]], dtype=torch.float32).expand(80, 4)
        robust &= space["score"](threat.apply(torch.from_numpy(x), theta)).argmax(1).numpy() == y
    return robust


def test_turns_go_from_the_option_to_a_row_that_can_be_verified(images, monkeypatch, capsys):
    floor = f"--robust-fail-under={TURN}:20"
    result = images("--robust-suite=standard-1", floor, "-k", "not trust")
    result.assert_outcomes(passed=3, deselected=1)
    images("--robust-suite=standard-1", floor).assert_outcomes(passed=4)
    (record,) = records(images.folder / "leaderboard").values()

    oracle = enumerate_angles(40, 775)
    assert record.threat == TURN
    assert 0 < oracle.sum() < 80
    assert (record.robust & ~oracle).sum() == 0
    assert (oracle & ~record.robust).sum() <= 1  # steps along the gradient may look between two angles
    theta = record.attacks[0].columns["theta"]
    assert theta.shape == (80, 4)
    assert np.array_equal(np.isfinite(theta).all(1), ~record.robust)
    assert np.nanmax(np.abs(theta[:, 0])) <= 40
    assert (theta[~record.robust, 1:3] == 0).all()
    assert record.provenance["verified"]
    page = (images.folder / "leaderboard" / "index.html").read_text()
    assert "An image may be turned by up to 40 degrees, either way; what comes in from outside has the value 0" in page
    assert ", turned " in page
    assert "An image may be turned" in (images.folder / "leaderboard" / "README.md").read_text()

    monkeypatch.chdir(images.folder)
    words = ["pics", "--data=pics.py:load", "--model=pics.py:make"]
    assert main(["verify", *words]) == 0
    assert main(["show", *words[:2], "--out=shown"]) == 0
    with np.load("shown/inputs.npz") as shown:
        assert np.array_equal(shown["theta"], theta[~record.robust & record.correct])
    (path,) = images.folder.glob("leaderboard/results/**/*.json")
    content = json.loads(path.read_text())
    column = content["attacks"][0]["columns"]["theta"]
    column["float32"] = turn_back(column["float32"])
    path.write_text(json.dumps(content))
    capsys.readouterr()
    assert main(["verify", *words]) == 1
    assert "not what a theta within the limits makes of the clean input" in capsys.readouterr().out


def turn_back(text):
    """Return a column of theta with every angle negated."""
    values = np.frombuffer(base64.b64decode(text), "<f4").reshape(-1, 4) * np.float32([-1, 1, 1, 1])
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def test_a_union_with_a_ball_and_words_of_its_own(images):
    threat = "linf:0.01+spatial:rotate=40:padding=reflect:interpolation=nearest"
    images("--robust-attack=noise:steps=20", threat=threat)
    (record,) = records(images.folder / "leaderboard").values()

    theta = record.attacks[0].columns["theta"]
    turned = np.isfinite(theta).any(1)
    assert record.threat == threat
    assert 0 < turned.sum() <= (~record.robust & record.correct).sum()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"data": "pics.py:rows"}, "is for images of shape (channels, height, width), an input has [64]"),
        ({"threat": "spatial:translate=9"}, "moves an image by up to 9 pixels, and it is 8 wide"),
        (
            {"data": "pics.py:maps:classes=2", "model": "pics.py:plain"},
            "spatial moves pixels, and maps of classes would have to move with them",
        ),
    ],
)
def test_what_it_is_not_for_is_one_line(images, options, says):
    result = images("--robust-attack=grid", *["--robust-criterion=pixels:0.9"] * ("model" in options), **options)

    assert result.ret == 4
    (line,) = [line for line in result.errlines if line.startswith("ERROR")]
    assert says in line
