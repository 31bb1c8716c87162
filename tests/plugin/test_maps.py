"""Runs on maps of classes, from the option to the page: a segmenter of 1x1 convolutions, whose truth is known."""

import json
from fnmatch import fnmatch
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from robust.records.evidence import Evidence
from robust.records.record import Record
from robust.stats import mean_iou
from tests.plugin.conftest import UNCHECKED

pytestmark = pytest.mark.usefixtures("exporting", "folder")

TASK = """
import numpy as np
import torch
from torch import nn

WEIGHT = np.array([1.0, -2.0, 0.5], "float32")

def load(split):
    rng = np.random.default_rng(0 if split == "test" else 1)
    x = (0.2 + 0.6 * rng.random((40, 3, 8, 8))).astype("float32")
    y = (np.einsum("c,nchw->nhw", WEIGHT, x - 0.5) > 0).astype("uint8")
    y ^= rng.random(y.shape) < 0.02
    y[:, 0] = 255
    return x, y

def wide(split):
    x, y = load(split)
    return x, y[:, ::2, ::2]

def short(split):
    x, y = load(split)
    return x, y[:-1]

def empty(split):
    x, y = load(split)
    y[3] = 255
    return x, y

class Logit(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Conv2d(3, 1, 1)
        self.net.weight.data = torch.from_numpy(WEIGHT)[None, :, None, None]
        self.net.bias.data.fill_(-0.5 * WEIGHT.sum())

    def forward(self, x):
        return self.net(x)

class Two(Logit):
    def forward(self, x):
        z = super().forward(x)
        return {"out": torch.cat([-z, z], 1), "aux": torch.cat([z, -z], 1)}

class Small(Two):
    def forward(self, x):
        return super().forward(x)["out"][:, :, ::2, ::2]

class Shares(Logit):
    def forward(self, x):
        return torch.sigmoid(super().forward(x))
"""
EPS, SHARE = 0.03, 0.9
MAPS = ("--robust-data=task.py:load", f"--robust-threat=linf:{EPS}", f"--robust-criterion=pixels:{SHARE}:ignore=255")
WEIGHT = np.array([1.0, -2.0, 0.5])


@pytest.fixture
def run(pytester, folder):
    (folder / "task.py").write_text(TASK)
    return lambda *options: pytester.runpytest_inprocess(*options)


def truth():
    """Return (share of right pixels, the same under attack, regions, the same under attack) of each sample."""
    space = {}
    exec(TASK, space)
    x, y = space["load"]("test")
    lead = np.where(y == 1, 1, -1) * np.einsum("c,nchw->nhw", WEIGHT, x - 0.5)
    counts, kept = y != 255, [lead > 0, lead > EPS * np.abs(WEIGHT).sum()]
    regions = []
    for right in kept:
        answered = np.where(right, y, 1 - y.astype(int))
        pairs = [(answered == k, y == k) for k in (0, 1)]
        sums = [op(a, b) & counts for op in (np.logical_and, np.logical_or) for a, b in pairs]
        regions.append(np.stack([each.sum((1, 2)) for each in sums], 1))
    shares = [(right & counts).sum((1, 2)) / counts.sum((1, 2)) for right in kept]
    return *shares, *regions


def read_row(folder):
    (path,) = (folder / "leaderboard" / "results").rglob("*.json")
    return path, Record.from_json(path.read_text())


def test_what_claims_nothing_of_maps_is_noted_as_a_bound(run, folder):
    run("--robust-model=task.py:Logit", *MAPS, UNCHECKED, "--robust-attack=noise:steps=2,fgsm", "--robust-fresh=0")

    _, row = read_row(folder)
    told = f"noise:steps=2: of maps of classes under linf:{EPS} a bound only; pgd:loss=margin or pgd:loss=mask-ce "
    assert [note for note in row.provenance["notes"] if "bound" in note] == [f"{told}finds more"]


def test_a_segmenter_from_the_option_to_the_page(run, folder):
    """Every pixel falls or stays by itself, so that accuracy, share and mIoU under attack are known exactly."""
    result = run("--robust-model=task.py:Two", *MAPS, "--robust-suite=quick-1", "--robust-fresh=3",
                 "--junitxml=junit.xml", "--robust-fail-under=miou:10")  # fmt: skip

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines([f"task, linf:{EPS}, pixels:{SHARE}:ignore=255, quick-1, n = 40", "Mean pixels %: *"])
    result.stdout.fnmatch_lines(["*of its answers 'out' is read*"])
    (path, row), (clean, attacked, regions, worst) = read_row(folder), truth()
    assert json.loads(path.read_text())["criterion"] == {"name": f"pixels:{SHARE}:ignore=255"}
    np.testing.assert_array_equal(row.correct, clean >= SHARE)
    np.testing.assert_array_equal(row.robust, attacked >= SHARE)
    assert 0 < row.robust.sum() < row.correct.sum()
    np.testing.assert_allclose(row.score, clean, atol=1e-6)
    np.testing.assert_allclose(row.worst_score, attacked, atol=1e-6)
    np.testing.assert_array_equal(row.regions, regions)
    np.testing.assert_array_equal(row.worst_regions, worst)
    assert row.verdict == "trusted"
    table = pd.read_csv(folder / "leaderboard" / "leaderboard.csv").iloc[0]
    assert table.attacked_miou == pytest.approx(100 * mean_iou(worst.sum(0)), abs=1e-3)
    assert table.attacked_miou_low < table.attacked_miou < table.attacked_miou_high < table.clean_miou
    noted = {each.get("name"): each.get("value") for each in ElementTree.parse("junit.xml").iter("property")}
    assert float(noted["robust.miou"]) == pytest.approx(table.attacked_miou, abs=1e-3)
    assert float(noted["robust.mean_pixels"]) == pytest.approx(100 * attacked.mean(), abs=1e-3)
    gallery = Evidence.from_bytes(path.with_suffix(".npz").read_bytes()).gallery
    assert gallery.answer.shape == gallery.before.shape == gallery.label.shape == (len(gallery.row), 8, 8)
    shares = ((gallery.answer == gallery.label) & (gallery.label != 255)).sum((1, 2)) / 56
    np.testing.assert_allclose(gallery.sure, shares, atol=1e-6)
    page = next((folder / "leaderboard").rglob("task-*.html"), folder / "leaderboard" / "index.html").read_text()
    assert "mIoU" in (folder / "leaderboard" / "index.html").read_text()
    assert "under attack" in page


@pytest.mark.parametrize(
    ("floor", "status"), [("miou:99", "failed"), ("miou@linf:0.03:1", "passed"), ("mean:99", "failed")]
)
def test_a_floor_of_miou_and_of_the_mean_share(run, floor, status):
    result = run("--robust-model=task.py:Logit", *MAPS, UNCHECKED, "--robust-attack=pgd:steps=3", "-k", "attack",
                 f"--robust-fail-under={floor}", "--robust-leaderboard=none")  # fmt: skip

    result.assert_outcomes(**{status: 1})
    if status == "failed":
        result.stdout.fnmatch_lines(["m* (95 % interval *) for pgd:steps=3 under linf:0.03 is below the required 99"])


def test_a_baseline_compares_miou_where_a_margin_asks_for_it(run, folder):
    usual = (*MAPS, UNCHECKED, "--robust-only", "--robust-attack=pgd:steps=3,fgsm", "--robust-fresh=0")
    run("--robust-model=task.py:Logit", *usual, "--robust-save=main").assert_outcomes(passed=3)
    task = folder / "task.py"
    task.write_text(task.read_text().replace("fill_(-0.5", "fill_(-0.2"))

    worse = run("--robust-model=task.py:Logit", *usual, "--robust-compare=latest", "--robust-compare-fail=miou:0.5pp",
                "--robust-leaderboard=none", "-k", "regression")  # fmt: skip

    worse.assert_outcomes(failed=1)
    worse.stdout.fnmatch_lines(
        ["*mIoU under attack * to * %, -* points (95 % interval *: more than miou:0.5pp allows*"]
    )
    assert (truth()[3].sum(0) > 0).all()


# By name: the options, and what the one line says.
WRONG = {
    "no criterion": (["--robust-data=task.py:load"], "*maps of classes, say how many of their pixels must be right*"),
    "no ignored label": (["--robust-criterion=pixels:0.9"], "*255 marks pixels that do not count*ignore=255*"),
    "no pixel that counts": (["--robust-data=task.py:empty"], "*no pixel that counts, the first in row 3*"),
    "labels of another size": (["--robust-data=task.py:wide"], "*maps of 4x4: enlarge the answer*"),
    "answers of another size": (["--robust-model=task.py:Small"], "*shape ?2, 2, 8, 8?, got shape ?2, 2, 4, 4?*"),
    "fewer labels": (["--robust-data=task.py:short"], "*40 inputs and 39 labels*"),
    "one class a sample": (["--robust-data=digits"], "*is for maps of classes, and digits has classes*"),
    "a share of percent": (["--robust-criterion=pixels:90"], "*at most 1, got 90; did you mean 0.9?*"),
    "a curve": (["--robust-curve"], "*maps have no curve*"),
    "a certificate": (["--robust-certify=crown"], "*cannot be certified: no bounds are known of a share of pixels*"),
    "miou of classes": (["--robust-data=digits", "--robust-criterion=class", "--robust-model=zoo:mlp",
                         "--robust-train=standard:epochs=1", "--robust-fail-under=miou:5"], "*mIoU is of maps*"),
    "a black box": (["--robust-model=blackbox:task.py:Two"], "*one answer a sample, and the labels are maps*"),
    "an augmentation": (["--robust-train=standard:augment=crop-flip"], "*augment=crop-flip would move the images*"),
    "a family without a stage for maps": (
        ["--robust-suite=quick-1", "--robust-threat=l0:2"],
        "*no stage of quick-1 is for l0 with pixels, *; name attacks that are, *",
    ),
    "a recipe for classes": (["--robust-train=mart"], "*is for classes, and the criterion is pixels:0.9*"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_one_line(run, name):
    given, line = WRONG[name]
    chosen = {text.partition("=")[0] for text in given}
    usual = ["--robust-model=task.py:Two", *MAPS]
    if name == "no criterion":
        usual.remove(MAPS[2])
    result = run(*[text for text in usual if text.partition("=")[0] not in chosen], *given, "--robust-leaderboard=none")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (error,) = [text for text in result.stderr.lines if text.startswith("ERROR: ")]
    assert fnmatch(error, line), error
