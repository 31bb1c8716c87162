"""--robust-draws: a model that answers at random gets a row, which says how its answers are formed."""

from xml.etree import ElementTree

import pandas as pd
import pytest

from robust.cli import main
from robust.records.record import Record

NOISY = """
import torch
from net import make
from torch import nn

class Noisy(nn.Module):
    def __init__(self, sigma):
        super().__init__()
        self.net, self.sigma = make(), sigma

    def forward(self, x):
        return self.net(x + self.sigma * torch.randn_like(x))

def noisy(sigma=0.3):
    return Noisy(sigma)

class Numbered(Noisy):
    count = 0

    def forward(self, x):
        Numbered.count += 1
        return self.net(x + self.sigma * (Numbered.count % 7))

def numbered():
    return Numbered(0.3)
"""
MODEL = "--robust-model=noisy.py:noisy"
FEW = ("--robust-attack=pgd:steps=5", "--robust-samples=40", "--robust-threat=linf:0.1")


@pytest.fixture(autouse=True)
def noisy(folder):
    (folder / "noisy.py").write_text(NOISY)


def rows(folder):
    return {path.stem: Record.from_json(path.read_text()) for path in folder.rglob("leaderboard/results/**/*.json")}


def test_it_has_a_row_in_every_form_without_being_asked_for(pytester, folder):
    result = pytester.runpytest_inprocess(MODEL, *FEW, "--robust-fresh=16", "--junitxml=junit.xml")

    result.assert_outcomes(passed=4)
    ((stem, record),) = rows(folder).items()
    clean, attacked = record.undecided
    told = f"an answer is one draw; undecided, and so counted as wrong: {clean} without"
    assert told in result.stdout.str().replace("\n", " ")
    result.stdout.fnmatch_lines(["loaded noisy.py:noisy: its answers are random: *10 to 640 answers"])
    result.stderr.fnmatch_lines(
        ["*samples, at most about 240 passes of each and about *, beside the tests; each step of*"]
    )
    assert stem.endswith("-draws-1")
    assert (record.draws, record.identity["draws"]) == ("1", "1")
    assert record.correct.mean() > 0.5
    assert record.has_adversarial
    assert record.verdict == "trusted"
    assert record.provenance["verified"]["fresh"] == int((record.correct & ~record.robust).sum())
    assert (record.columns["undecided"] & record.correct).sum() == 0
    line = pd.read_csv(folder / "leaderboard" / "leaderboard.csv").iloc[0]
    assert (line.draws, line.clean_undecided, line.undecided) == (1, clean, attacked)
    assert "Draws: the model answers at random" in (folder / "leaderboard" / "README.md").read_text()
    page = (folder / "leaderboard" / "index.html").read_text()
    assert f"an answer is one draw; undecided, and so counted as wrong: {clean} without" in page
    found = ElementTree.parse(folder / "junit.xml").iter("property")
    notes = {one.get("name"): one.get("value") for one in found}
    assert (notes["robust.draws"], notes["robust.clean_undecided"]) == ("1", str(clean))


def test_its_row_is_verified_by_the_same_rule(pytester, folder, capsys):
    pytester.runpytest_inprocess(MODEL, *FEW, "--robust-verdict=none", "--robust-draws=majority:3")
    ((stem, record),) = rows(folder).items()
    status = main(["verify", stem, "--model=noisy.py:noisy"])
    told = capsys.readouterr().out

    assert status == 0, told
    assert told.rstrip().endswith("verified")
    assert f"{int((record.correct & ~record.robust).sum())} are adversarial under linf:0.1" in told


def test_a_model_that_is_not_random_is_what_it_was(pytester, folder):
    result = pytester.runpytest_inprocess("--robust-model=net.py:make", *FEW, "--robust-draws=mean:3")

    result.assert_outcomes(passed=4)
    line = "loaded net.py:make: its answers are always the same, so that --robust-draws=mean:3 does not concern it"
    result.stdout.fnmatch_lines([line])
    (record,) = rows(folder).values()
    assert (record.draws, record.undecided) == ("", (0, 0))
    assert "draws" not in record.identity
    assert "undecided" not in record.columns


def test_a_row_is_of_its_draws_and_is_compared_with_no_other(pytester, folder):
    run = (MODEL, *FEW, "--robust-verdict=none")
    pytester.runpytest_inprocess(*run, "--robust-draws=mean:4", "--robust-save").assert_outcomes(passed=2)
    again = pytester.runpytest_inprocess(*run, "--robust-draws=majority:3", "--robust-compare=latest")
    same = pytester.runpytest_inprocess(
        *run, "--robust-draws=mean:4", "--robust-compare=latest", "--robust-compare-fail=robust_acc:20pp"
    )

    assert {record.draws for record in rows(folder).values()} == {"mean:4"}
    line = "*formed of the mean of 4 draws, not of *the majority of 3 draws: take --robust-draws=mean:4"
    again.stderr.fnmatch_lines([line])
    same.assert_outcomes(passed=3)


def test_what_is_no_draw_of_torch_is_doubted_also_where_draws_are_asked_for(pytester, folder):
    run = ("--robust-model=noisy.py:numbered", *FEW, "-k", "preflight")
    result = pytester.runpytest_inprocess(*run)
    asked = pytester.runpytest_inprocess(*run, "--robust-draws=1")

    result.stdout.fnmatch_lines(["nondeterministic: logits of the same inputs differ by *--robust-draws=mean:10"])
    asked.assert_outcomes(failed=1)
    asked.stdout.fnmatch_lines(["nondeterministic: logits of the same inputs, for the same seed of torch, differ by*"])


@pytest.mark.parametrize("option", ["curve", "certify=ibp"])
def test_what_needs_the_same_answers_is_refused_in_one_line(pytester, option):
    result = pytester.runpytest_inprocess(MODEL, *FEW, f"--robust-{option}")

    name = option.partition("=")[0]
    line = f"*--robust-model=noisy.py:noisy: it answers at random, and --robust-{name} needs answers that are always *"
    result.stderr.fnmatch_lines([line])
    assert result.ret == 4


def test_a_floor_is_kept_or_not_as_for_any_model(pytester, folder):
    run = (MODEL, *FEW, "--robust-verdict=none", "-k", "pgd")

    pytester.runpytest_inprocess(*run, "--robust-fail-under=5").assert_outcomes(passed=1)
    pytester.runpytest_inprocess(*run, "--robust-fail-under=99").assert_outcomes(failed=1)


def test_a_suite_goes_on_where_it_was_and_workers_file_one_row(pytester, folder):
    run = (MODEL, "--robust-suite=quick-1", *FEW[1:], "--robust-verdict=none")
    pytester.runpytest_inprocess(*run, "-n2").assert_outcomes(passed=2)

    (record,) = rows(folder).values()
    assert record.draws == "1"
    assert "undecided" in record.planned[0].columns


VALUES = """
import numpy as np
import torch
from torch import nn

def load():
    return np.full((60, 3), 0.4, np.float32), np.zeros((60, 1), np.float32)

class Blind(nn.Module):
    def forward(self, x):
        return 0.4 + 0 * x[:, :1] + 0.5 * torch.randn(len(x), 1)

def blind():
    return Blind()
"""


@pytest.mark.parametrize(("limit", "status"), [(0.45, "failed"), (0.6, "passed")])
def test_a_mean_error_is_that_of_fresh_answers_and_keeps_its_limit_or_not(pytester, folder, limit, status):
    """The error is 0.525 in the mean, by the folded normal distribution, and no attack can change it."""
    (folder / "values.py").write_text(VALUES)
    result = pytester.runpytest_inprocess(
        "--robust-model=values.py:blind", "--robust-data=values.py:load", "--robust-criterion=within:2",
        "--robust-attack=noise:steps=3", "--robust-threat=linf:0.1", "--robust-verdict=none", "-k", "noise",
        f"--robust-fail-under=mean@linf:0.1:{limit}", "--robust-fail-on=ci",
    )  # fmt: skip

    result.assert_outcomes(**{status: 1})
    (record,) = rows(folder).values()
    assert record.draws == "1"
    assert abs(record.worst_score.mean() - 0.525) < 4 * 0.37 / (60 * 20) ** 0.5
