"""--robust-curve with --robust-certify: the certified radii in every form, their floors, and what contradicts them."""

import signal
import sys
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from robust.certification.certify import Certifier
from robust.records.record import Record
from tests.plugin.conftest import UNCHECKED

pytestmark = pytest.mark.usefixtures("exporting")
FEW = ("--robust-model=net.py:make", UNCHECKED, "--robust-samples=30", "--robust-threat=linf:0.05")
RUN = (*FEW, "--robust-attack=fgsm", "--robust-curve", "--robust-eps=0.02,0.1", "--robust-certify=ibp")

UNIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are a thing of Unix")


def read_record(folder):
    (path,) = (folder / "leaderboard" / "results").rglob("*.json")
    return Record.from_json(path.read_text())


def test_the_curve_from_below_in_every_form(pytester, folder):
    floors = ("certified@linf:0.02:1", "certified@linf:0.1:99", "certified-linf-0.12:98")
    given = [f"--robust-fail-under={floor}" for floor in floors]
    result = pytester.runpytest_inprocess(*RUN, *given, "--junitxml=junit.xml", "-s")

    result.assert_outcomes(passed=3, failed=1)
    for eps, percent in ((0.1, 99), (0.12, 98)):
        line = f"certified * % (95 % interval *) by ibp on the curve at linf:{eps} is below the required {percent} %"
        result.stdout.fnmatch_lines([line])
    result.stdout.no_fnmatch_line("*at linf:0.02 is below*")
    result.stderr.fnmatch_lines(["net, ibp radii up to linf:0.2: * samples to certify 8 times each, at most about *"])
    record = read_record(folder)
    curve, proved = record.curve, record.curve.proved
    assert (proved.method, proved.partial, proved.seconds > 0) == ("ibp", "", True)
    assert (proved.radius > 0).sum() > 5
    assert (proved.radius < np.where(curve.distance > 0, curve.distance, 1)).all()
    assert (curve.certified_at(0.05) >= record.certificate.certified).all()
    share = {eps: round(100 * float(curve.certified_at(float(eps)).mean()), 4) for eps in ("0.02", "0.1")}
    assert share["0.02"] > share["0.1"]
    table = pd.read_csv(folder / "leaderboard" / "leaderboard.csv").iloc[0]
    assert {eps: table[f"certified at linf:{eps} percent"] for eps in share} == share
    result.stdout.fnmatch_lines(["*curve up to linf:0.2: median * (certified by ibp*"])
    properties = {
        each.get("name"): each.get("value")
        for case in ElementTree.parse(folder / "junit.xml").iter("testcase")
        for each in case.iter("property")
        if case.get("name") == "test_curve[linf]"
    }
    assert properties["robust.certify"] == "ibp"
    assert float(properties["robust.certified_percent_at_0.02"]) == share["0.02"]
    assert "certified median" in (folder / "leaderboard" / "README.md").read_text()
    assert "The dotted lines are what is certified, read off" in (folder / "leaderboard" / "index.html").read_text()
    assert not [*(folder / ".robust" / "suites").rglob("*.npz")]


def test_a_radius_beyond_an_adversarial_distance_fails_the_test_and_both_are_filed(pytester, folder, monkeypatch):
    bound = Certifier.bound
    monkeypatch.setattr(Certifier, "bound", lambda self, x, y, method: bound(self, x, y, method) + 9)
    result = pytester.runpytest_inprocess(*RUN, "-k", "attack or curve")

    result.assert_outcomes(passed=1, failed=1, deselected=2)
    told = (
        "samples *: certified by ibp up to a radius within which a verified input is answered wrong; one of the two *"
    )
    result.stdout.fnmatch_lines([told])
    assert read_record(folder).contradicted.any()


def read_curve(folder, name):
    """Return the curve of the one row of a leaderboard."""
    (path,) = (folder / name / "results").rglob("*.json")
    return Record.from_json(path.read_text()).curve


@pytest.mark.slow  # what each worker imports takes longest
def test_two_workers_find_the_same_curves(pytester, folder):
    """The certificate that a search begins from may be another worker's: the radii differ a little."""
    for name, workers in {"alone": [], "parallel": ["-n2"]}.items():
        result = pytester.runpytest_inprocess(*RUN, f"--robust-leaderboard={name}", *workers)
        result.assert_outcomes(passed=4)
    alone, parallel = (read_curve(folder, name) for name in ("alone", "parallel"))

    np.testing.assert_allclose(parallel.distance, alone.distance, rtol=1e-3)
    proved, before = parallel.proved.radius, alone.proved.radius
    assert (np.abs(proved - before) <= np.where(alone.distance > 0, alone.distance, 1) / 50).all()
    assert (proved > 0).sum() == (before > 0).sum() > 5


KILL = """
import os, signal
import robust.certification.journal
from robust.certification.radius import Reached

robust.certification.journal.EVERY = -1
add = Reached.add

def add_or_die(self, rows, radius, margin, k):
    if k == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    add(self, rows, radius, margin, k)

Reached.add = add_or_die
"""


@UNIX
def test_killed_it_goes_on_from_the_radii_and_ends_with_the_same(pytester, fork_run, folder):
    pytester.runpytest_inprocess(*RUN, "--robust-leaderboard=whole").assert_outcomes(passed=4)
    pytester.makeconftest(KILL)
    assert fork_run(*RUN).ret == -signal.SIGKILL

    pytester.makeconftest(KILL.replace("k == 3", "k < 3"))  # what was done is not done again
    result = fork_run(*RUN)
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*goes on from an earlier run: *% of the bisections of 30 radii"])
    whole, found = (read_curve(folder, name) for name in ("whole", "leaderboard"))
    assert (found.distance == whole.distance).all()
    assert (found.proved.radius == whole.proved.radius).all()
