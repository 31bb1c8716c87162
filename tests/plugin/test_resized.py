"""Runs under corruptions of what a Dataset resizes, from the row to the page and `robust verify`."""

import json
import re
from dataclasses import replace

import pandas as pd
import pytest

from robust.cli import main
from robust.records.record import Record
from tests.plugin.conftest import UNCHECKED

pytestmark = pytest.mark.usefixtures("folder")

DATA = """
import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits

class Compose:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, image):
        for transform in self.transforms:
            image = transform(image)
        return image

class Resize:
    def __init__(self, size):
        self.size = size

    def __call__(self, image):
        return image.resize((self.size, self.size), Image.Resampling.BILINEAR)

def to_tensor(image):
    return torch.from_numpy(np.asarray(image, np.float32)[None] / 255)

class Digits:
    def __init__(self, transform):
        self.transform = transform
        self.images, self.labels = load_digits(return_X_y=True)

    def __len__(self):
        return 200

    def __getitem__(self, row):
        pixels = (self.images[row] * 255 / 16).astype(np.uint8).reshape(8, 8)
        image = Image.fromarray(pixels).resize((12 + row % 2, 12))
        return self.transform(image), int(self.labels[row])

def resized():
    return Digits(Compose([Resize(8), to_tensor]))

def hidden():
    chain = Compose([Resize(8), to_tensor])
    return Digits(lambda image: chain(image))
"""
USUAL = ("--robust-model=weights.pt", "--robust-arch=net.py:bare", "--robust-samples=40", UNCHECKED)
WORD = "--robust-threat=corruption:5:held-out"


@pytest.fixture
def measure(pytester):
    """Run pytest on the data of a function under a word, and return the record."""
    (pytester.path / "data.py").write_text(DATA)

    def measure(name, word=WORD, *args):
        board = name + "-after" * word.endswith("after")
        options = (
            *USUAL,
            word,
            f"--robust-data=data.py:{name}:classes=10:name=small",
            f"--robust-leaderboard={board}",
            *args,
        )
        result = pytester.runpytest_inprocess(*options)
        paths = [*(pytester.path / board / "results").rglob("*.json")]
        return result, *(Record.from_json(path.read_text()) for path in paths)

    return measure


def test_a_row_says_that_pictures_were_corrupted_before_the_resize(measure, pytester):
    result, record = measure("resized", WORD, "--robust-fresh=4")
    _, hidden = measure("hidden")
    _, after = measure("resized", f"{WORD}:after")

    result.assert_outcomes(passed=2)
    parameters = "corrupted with the parameters of pytest-robust"
    shrunk = "which makes them smaller: the published ones are of images as the model gets them"
    (note,) = record.provenance["notes"]
    place = "before the data set's Resize(8), to_tensor"
    assert note.startswith(f"images of 12x12 to 12x13 are {parameters}, {place}, {shrunk}")
    assert hidden.provenance["notes"] == [f"images of 8x8 are {parameters}, as the data set gives them"]
    assert after.provenance["notes"] == hidden.provenance["notes"]
    assert (record.corrupted_before, hidden.corrupted_before) == ("Resize(8), to_tensor", "")
    assert record.identity == hidden.identity | {"corrupted_before": "Resize(8), to_tensor"}
    assert record.data.digest == hidden.data.digest == after.data.digest
    assert (record.correct == hidden.correct).all()
    assert (after.corrupted.right == hidden.corrupted.right).all()
    assert not (record.corrupted.right == hidden.corrupted.right).all()
    assert record.provenance["verified"]["fresh"] == 4


def test_csv_and_page_say_so(measure, pytester):
    measure("resized")

    (line,) = pd.read_csv(pytester.path / "resized/leaderboard.csv").to_dict("records")
    assert line["corrupted_before"] == "Resize(8), to_tensor"
    page = (pytester.path / "resized/index.html").read_text()
    assert re.search(r"<caption>mean accuracy over 4 .* images were corrupted before Resize\(8\), to_tensor<", page)


@pytest.mark.parametrize("change", ["nothing", "answers", "data", "place"])
def test_robust_verify_corrupts_them_there_again(measure, pytester, capsys, change):
    _, record = measure("resized")
    (path,) = (pytester.path / "resized/results").rglob("*.json")
    if change == "answers":
        (attack,) = record.attacks
        columns = {**attack.columns, "corrupted": 1 - attack.columns["corrupted"]}
        path.write_text(replace(record, attacks=(replace(attack, columns=columns),)).to_json())
    if change == "place":
        provenance = {**record.provenance, "corrupted_before": "Resize(9)"}
        path.write_text(replace(record, provenance=provenance).to_json())
    name = "hidden" if change == "data" else "resized"
    capsys.readouterr()

    data = f"--data=data.py:{name}:classes=10:name=small"
    status = main(["verify", str(path), "--model=weights.pt", "--arch=net.py:bare", data])

    told = capsys.readouterr().out
    assert (status == 0) == (change == "nothing"), told
    lines = {line.split()[0]: line.split()[1] for line in told.splitlines() if len(line.split()) > 1}
    assert lines["answers"] == ("sound" if change == "nothing" else "WRONG")
    assert lines["inputs"] == ("WRONG" if change == "data" else "sound")
    assert lines["clean"] == "sound"


def test_a_baseline_of_the_other_place_is_refused(measure):
    saved, *_ = measure("hidden", WORD, "--robust-save=before")
    saved.assert_outcomes(passed=2)
    result, *_ = measure("resized", WORD, "--robust-compare=.robust/baselines/0001_before")
    place = "is of images corrupted as the model gets them, not before Resize(8), to_tensor: say corruption:3:after"
    result.stderr.fnmatch_lines([f"*{place.replace('[', '[[]')}"])


def test_in_a_union_and_a_suite_over_workers(measure):
    result, record = measure(
        "resized", "--robust-threat=linf:0.05+corruption:5:fog", "--robust-suite=quick-1", "-n", "2"
    )

    result.assert_outcomes(passed=2)
    assert record.corrupted_before == "Resize(8), to_tensor"
    assert json.dumps(record.provenance["notes"]).count("before the data set's Resize(8)") == 1


def test_a_fresh_process_opens_the_data_with_what_options_add(measure):
    result, record = measure("resized", WORD, "--robust-attacked=3+5", "--robust-samples=30", "--robust-fresh=2")

    result.assert_outcomes(passed=2)
    assert record.data.name.endswith(":attacked=3+5")
    assert record.provenance["verified"] == {"fresh": 2, "edge": 0}
