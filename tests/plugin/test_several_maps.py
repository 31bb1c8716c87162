"""Maps of classes and several inputs together: a segmenter whose truth is known under a threat to each part, and both.

The labels of a row of pixels are all the same, so that what the table adds to a row moves all its pixels one way.
"""

import sys
from fnmatch import fnmatch

import numpy as np
import pytest
import torch

from robust.attacks import Product, assail, make, read_criterion, worsen_scores
from robust.attacks.rng import Rng
from robust.attacks.several import pack_inputs
from robust.attacks.task import Task
from robust.records.evidence import Evidence
from robust.records.record import Record
from robust.trust.gradients import measure_linearity
from tests.plugin.conftest import UNCHECKED

SOURCE = """
import numpy as np
import torch
from torch import nn

def load(split):
    rng = np.random.default_rng(split == "test")
    y = np.repeat(rng.integers(0, 2, (30, 6, 1)), 7, 2)
    image = (0.5 + (2 * y - 1) * (0.2 * rng.random((30, 6, 7)) - 0.005)).astype("float32")[:, None]
    meta = (0.2 * rng.random((30, 6)) - 0.1).astype("float32")
    y[:, :, 0] = 255
    return {"image": image, "meta": meta, "first": rng.integers(0, 2, 30)}, y

class Net(nn.Module):
    def forward(self, image, meta, first):
        z = 2 * image - 1 + meta[:, None, :, None] + 0.05 * first[:, None, None, None]
        return {"out": torch.cat([-z, z], 1)}

class Taller(Net):
    def forward(self, image, meta, first):
        return {"out": torch.cat([super().forward(image, meta, first)["out"]] * 2, 2)}
"""
NAME = "pixels:0.8:ignore=255"
SPACE = {}
exec(SOURCE, SPACE)
IMAGE, META = 0.03, 0.06
THREATS = {
    f"image=linf:{IMAGE}": 2 * IMAGE,
    f"meta=linf:{META}": META,
    f"image=linf:{IMAGE};meta=linf:{META}": 2 * IMAGE + META,
}
BOTH = [*THREATS][2]


def truth(gain):
    """Return the share of right pixels, (n,), if an attacker can move each logit by `gain`."""
    x, y = SPACE["load"]("test")
    z = 2 * x["image"][:, 0] - 1 + x["meta"][:, :, None] + 0.05 * x["first"][:, None, None]
    return ((np.where(y == 1, z, -z) > gain) & (y != 255)).sum((1, 2)) / 36


@pytest.fixture
def parts():
    x, y = SPACE["load"]("test")
    net = SPACE["Net"]()
    return lambda **given: net(**given)["out"], {k: torch.from_numpy(v) for k, v in x.items()}, torch.from_numpy(y)


@pytest.mark.parametrize("text", THREATS)
@pytest.mark.parametrize("attack", ["pgd", "pgd:loss=margin", "apgd:loss=mask-ce:steps=20", "fgsm", "bim", "mifgsm"])
def test_the_exact_share_falls_under_a_threat_to_each_part_and_to_both(parts, text, attack):
    model, x, y = parts
    threat, share = Product.parse(text, x, meta=(-1, 1)), truth(THREATS[text])

    found = assail(model, make(attack), x, y, threat, criterion=read_criterion(NAME))
    worst = worsen_scores(model, make(attack), x, y, threat, criterion=read_criterion(NAME))

    assert 0 < (share >= 0.8).sum() < len(y)
    np.testing.assert_array_equal(~found.adversarial.numpy(), share >= 0.8)
    np.testing.assert_allclose(worst.score.numpy(), share, atol=1e-6)
    for name in {"image", "meta", "first"} - set(threat.balls):
        assert torch.equal(found.x_adv[name], x[name])


def test_search_needs_no_gradient(parts):
    model, x, y = parts
    threat, share = Product.parse(BOTH, x, meta=(-1, 1)), truth(THREATS[BOTH])

    found = assail(model, make("search:steps=300"), x, y, threat, criterion=read_criterion(NAME)).adversarial.numpy()

    assert not found[share >= 0.8].any()
    assert found[share < 0.8].mean() > 0.9


@pytest.mark.parametrize("text", THREATS)
def test_the_gradient_of_the_margin_predicts_a_small_step(parts, text):
    """A loss that adds to the margin must not count as a gain."""
    model, x, y = parts
    threat = Product.parse(text, x, meta=(-1, 1))
    rows, packed, _ = pack_inputs(model, x, threat)
    task = Task.of(rows, packed, y, threat, Rng.of(0, torch.arange(len(y))), read_criterion(NAME))

    with torch.no_grad():
        ratio = measure_linearity(task, 0.0)

    assert len(ratio) > 20
    assert ((ratio > 0.5) & (ratio < 2)).float().mean() > 0.9


@pytest.fixture
def run(pytester, monkeypatch, exporting):
    (pytester.path / "parts.py").write_text(SOURCE)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", [*sys.path])
    usual = ("--robust-data=parts.py:load:meta.lo=-1:meta.hi=1", f"--robust-threat={BOTH}",
             f"--robust-criterion={NAME}", UNCHECKED, "--robust-only")  # fmt: skip
    return lambda *options: pytester.runpytest_inprocess(*usual, *options)


def test_from_the_option_to_the_page(run, pytester):
    result = run("--robust-model=parts.py:Net", "--robust-suite=quick-1", "--robust-fresh=2",
                 "--robust-fail-under=miou:1", "--robust-save=main")  # fmt: skip

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [f"parts, {BOTH}, {NAME}, quick-1, n = 30", "Mean pixels %: *", "*mIoU %: *", "image * of *", "meta * of *"]
    )
    (path,) = (pytester.path / "leaderboard" / "results").rglob("*.json")
    row, share = Record.from_json(path.read_text()), truth(THREATS[BOTH])
    np.testing.assert_array_equal(row.correct, truth(0) >= 0.8)
    np.testing.assert_array_equal(row.robust, share >= 0.8)
    np.testing.assert_allclose(row.worst_score, share, atol=1e-6)
    assert row.worst_regions.shape == (30, 4)
    gallery = Evidence.from_bytes(path.with_suffix(".npz").read_bytes()).gallery
    assert gallery.answer.shape == gallery.before.shape == gallery.label.shape == (len(gallery.row), 6, 7)
    page = (pytester.path / "leaderboard" / "index.html").read_text()
    for text in ("original", "adversarial", "labels", "under attack", "<th>meta 5<td>", "<th>first<td>"):
        assert text in page

    same = run("--robust-model=parts.py:Net", "--robust-suite=quick-1", "--robust-compare=latest", "-k", "regression",
               "--robust-compare-fail=robust_acc:0pp,miou:1pp", "--robust-leaderboard=none")  # fmt: skip
    same.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (["--robust-model=parts.py:Taller"], "*shape ?2, 2, 6, 7?, got shape ?2, 2, 12, 7?*"),
        (
            ["--robust-model=parts.py:Net", "--robust-attack=square"],
            "*square is for linf, l2, l1, the threat is product*",
        ),
        (["--robust-model=parts.py:Net", "--robust-threat=first=linf:1"], "*first*whole numbers*"),
    ],
)
def test_a_mistake_is_one_line(run, given, line):
    result = run(*given, "--robust-leaderboard=none")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (error,) = [text for text in result.stderr.lines if text.startswith("ERROR: ")]
    assert fnmatch(error, f"ERROR: {line}"), error
