"""--robust-curve: a test of each norm, what its rows hold, its floors, and what a baseline's curve is compared by."""

import signal
import sys
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from robust.evaluation.curve import CurveRun
from robust.records.evidence import Evidence
from robust.records.record import Record
from robust.verification.distances import flatten, measure_norm
from tests.plugin.conftest import UNCHECKED

MODEL = "--robust-model=net.py:make"
FEW = (MODEL, UNCHECKED, "--robust-samples=40", "--robust-threat=linf:0.1", "--robust-attack=pgd:steps=3:start=0")
RUN = (*FEW, "--robust-curve", "--robust-eps=0.05,0.2")
UNIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are a thing of Unix")


def records(folder, name="leaderboard"):
    return [Record.from_json(path.read_text()) for path in sorted((folder / name / "results").rglob("*.json"))]


def rungs(folder):
    return [*(folder / ".robust" / "suites").rglob("*.npz")]


def test_it_is_a_test_of_each_norm(node_ids, folder):
    found = node_ids(*RUN[:-1], "--robust-threat=linf:8/255,l2:0.5,linf:0.1")

    assert [line for line in found if "curve" in line] == ["net.py::test_curve[linf]", "net.py::test_curve[l2]"]
    assert not [line for line in node_ids(*FEW, "--robust-curve=none") if "curve" in line]


@pytest.mark.parametrize(
    "workers",
    [
        pytest.param([], id="alone"),
        pytest.param(["-n2"], id="on two workers", marks=pytest.mark.slow),  # what each worker imports takes longest
    ],
)
def test_the_row_lies_on_the_curve_in_every_form(pytester, folder, workers):
    result = pytester.runpytest_inprocess(*RUN, "--robust-attack=fgsm", "--junitxml=junit.xml", *workers)

    result.assert_outcomes(passed=4)
    (row,) = records(folder)
    curve = row.curve
    assert (curve.end, curve.eps, len(curve.distance)) == ("linf:0.4", ("0.05", "0.2"), 40)
    assert (curve.robust_at(0.1) == row.robust).all()
    assert ((curve.distance == 0) == ~row.correct).all()
    assert row.attacks[-1].name == "curve"
    assert [attack.name for attack in row.planned] == ["fgsm", "pgd:start=0:steps=3"]
    (path,) = folder.rglob("leaderboard/**/*.npz")
    evidence = Evidence.from_bytes(path.read_bytes())
    assert len(evidence.near) == np.isfinite(curve.distance[row.correct]).sum() > 0
    table = pd.read_csv(folder / "leaderboard" / "leaderboard.csv").iloc[0]
    assert (table.curve_end, table.curve_median) == ("linf:0.4", round(curve.median, 4))
    for eps in ("0.05", "0.2"):
        assert table[f"at linf:{eps} percent"] == round(100 * curve.robust_at(float(eps)).mean(), 4)
    result.stdout.fnmatch_lines([f"net (as-is), curve up to linf:0.4: median {curve.median:.3g}, * % at 0.05 (95 %*"])
    properties = {
        each.get("name"): each.get("value")
        for case in ElementTree.parse(folder / "junit.xml").iter("testcase")
        for each in case.iter("property")
        if case.get("name") == "test_curve[linf]"
    }
    assert properties["robust.curve_end"] == "linf:0.4"
    assert float(properties["robust.robust_percent_at_0.05"]) == table["at linf:0.05 percent"]
    page = (folder / "leaderboard" / "index.html").read_text()
    assert "Accuracy against eps" in page
    assert "nearest adversarial inputs" in page
    assert not rungs(folder)


def test_the_suite_is_run_where_the_curve_is_read_and_the_run_has_none(pytester, folder):
    (folder / "mine.toml").write_text('stages = [{ attack = "pgd:steps=3" }]')
    floors = ("--robust-fail-under=robust@linf:0.15:1", "--robust-fail-under=robust@linf:0.1:1")
    pytester.runpytest_inprocess(*RUN, *floors).assert_outcomes(passed=3)
    last = records(folder)[0].curve.attacks[-4:]
    assert last == tuple(f"standard-1 at linf:{eps}" for eps in ("0.2", "0.15", "0.1", "0.05"))

    own = (*RUN[:4], "--robust-suite=mine.toml", *RUN[5:], *floors, "--robust-leaderboard=own")
    pytester.runpytest_inprocess(*own).assert_outcomes(passed=3)
    last = records(folder, "own")[0].curve.attacks[-4:]
    assert [name.partition(" at ")[2] for name in last] == ["", "linf:0.2", "linf:0.15", "linf:0.05"]
    assert all(name.startswith("mine-") for name in last[1:])


def test_floors_anywhere_on_the_curve_are_decided_at_once(pytester, folder):
    floors = ("robust@linf:0.05:1", "robust@linf:0.2:99", "robust@linf:0.3:98")
    result = pytester.runpytest_inprocess(*RUN, *(f"--robust-fail-under={floor}" for floor in floors))

    result.assert_outcomes(passed=2, failed=1)
    for eps, percent in ((0.2, 99), (0.3, 98)):
        result.stdout.fnmatch_lines([f"robust accuracy * on the curve at linf:{eps} is below the required {percent} %"])
    result.stdout.no_fnmatch_line("*at linf:0.05 is below*")
    left_out = pytester.runpytest_inprocess(*RUN, f"--robust-fail-under={floors[0]}", "-k", "clean or attack")
    left_out.stdout.fnmatch_lines(["FAILED --robust-fail-under=linf-0.05:1: no curve was measured, so nothing shows *"])


KILL = """
import os, signal
from robust.evaluation.curve import CurveRun

write = CurveRun._write

def write_and_die(self, k, state):
    write(self, k, state)
    if WHEN:
        os.kill(os.getpid(), signal.SIGKILL)

CurveRun._write = write_and_die
"""


@UNIX
@pytest.mark.parametrize(("when", "least"), [("k == 1", 2), ("self.rungs[k].listed", 8)])
def test_killed_it_goes_on_and_ends_with_the_same_distances(pytester, fork_run, folder, when, least):
    pytester.runpytest_inprocess(*RUN, "--robust-leaderboard=whole").assert_outcomes(passed=3)
    pytester.makeconftest(KILL.replace("WHEN", when))
    assert fork_run(*RUN).ret == -signal.SIGKILL
    kept = len(rungs(folder))
    assert kept >= least

    result = fork_run(*RUN, "--noconftest")
    told = f"*net, curve up to linf:0.4: goes on from an earlier run, of which {kept} rounds are kept"
    result.stdout.fnmatch_lines([told])
    (whole,), (record,) = records(folder, "whole"), records(folder)
    assert record.same_curve(whole)
    assert not rungs(folder)


def test_a_loss_that_the_eps_hides_is_seen_by_the_distances(pytester, folder, monkeypatch):
    pytester.runpytest_inprocess(*RUN, "--robust-save=first").assert_outcomes(passed=3)
    same = pytester.runpytest_inprocess(*RUN, "--robust-compare=latest")
    same.assert_outcomes(passed=5)

    conclude = CurveRun._conclude

    def nearer(self, state, *rest):
        x = np.array(state.samples.x)
        state.x_adv = (x + np.float32(0.9) * (state.x_adv - x)).astype(np.float32)
        moved = measure_norm("linf", flatten(state.x_adv) - flatten(x))
        state.distance = np.where(np.isfinite(state.distance) & (state.distance > 0.12), moved, state.distance)
        return conclude(self, state, *rest)

    monkeypatch.setattr(CurveRun, "_conclude", nearer)
    worse = pytester.runpytest_inprocess(*RUN, "--robust-compare=latest", "--robust-fresh=0")
    worse.assert_outcomes(passed=4, failed=1)
    worse.stdout.fnmatch_lines(
        ["*adversarial distance median * to *, mean -* %, * nearer, 0 further, p = * by Wilcox*"]
    )
