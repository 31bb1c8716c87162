"""A few pixels through the plugin: from the words to the row, its page and its verification; mistakes in one line."""

import pytest

from robust.cli import main
from tests.plugin.test_main_job import records

NET = """
import torch
from torch import nn

def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
"""
RUN = ("--robust-model=net.py:make", "--robust-data=digits", "--robust-samples=60", "--robust-train=standard:epochs=3")


@pytest.fixture
def run(pytester, fork_run):
    """Run pytest on a small network of the digits with further options."""
    pytester.makepyfile(net=NET)
    return lambda *options: fork_run(*RUN, *options)


def test_a_row_of_a_suite_is_written_drawn_and_verified(run, pytester):
    result = run("--robust-threat=l0:2", "--robust-suite=quick-1")
    result.assert_outcomes(passed=result.parseoutcomes()["passed"])
    [(path, record)] = records(pytester.path / "leaderboard").items()
    stages = record.attacks[-1].stages
    assert record.threat == "l0:2"
    assert [stage.attack.partition(":")[0] for stage in stages] == ["pgd", "spgd", "sparse-rs"]
    assert 0 < record.robust.sum() < record.correct.sum()
    page = (pytester.path / "leaderboard/index.html").read_text()
    assert "an attacker may change 2 pixels of an input" in page
    assert main(["verify", path.stem, "--arch=net.py:make", "--data=digits"]) == 0


def test_by_default_gradients_and_a_search_are_run(run, pytester):
    run("--robust-threat=l0:2")
    [record] = records(pytester.path / "leaderboard").values()
    assert [attack.name for attack in record.attacks] == ["pgd", "sparse-rs"]


REFUSED = {
    "no number": (["--robust-threat=l0:half"], "--robust-threat=l0:half: K, the number of pixels that may change"),
    "a square": (["--robust-threat=l0:2", "--robust-attack=square"], "square is for linf, l2, l1, the threat is l0"),
    "a ball's": (["--robust-threat=linf:0.1", "--robust-attack=spgd"], "spgd is for l0, the threat is linf"),
    "all pixels": (["--robust-threat=l0:64"], "l0:64 lets all 64 pixels change"),
    "a curve": (["--robust-threat=l0:2", "--robust-curve"], "a curve is of linf, l2, l1, and the threat model is l0:2"),
    "a proof": (["--robust-threat=l0:2", "--robust-certify=crown"], "no bounds are known for l0:2"),
    "a recipe": (["--robust-threat=l0:2", "--robust-train=ibp"], "it is not for the threat model l0:2; take"),
    "a part": (
        ["--robust-threat=image=l0:2"],
        "a part's threat is a ball, of linf, l2, l1; a number of pixels is for one input",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_apply_is_refused_in_one_line(run, name):
    options, message = REFUSED[name]
    result = run(*options)
    assert result.ret == 4
    [line] = [line for line in result.outlines if line.startswith("ERROR:")]
    assert message in line
