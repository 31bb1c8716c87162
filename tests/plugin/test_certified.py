"""--robust-certify: a test for each threat model, the bracket of its rows, its floor, and what contradicts it."""

import json
import signal
import sys
import time
from xml.etree import ElementTree

import pandas as pd
import pytest

from robust.certification.certify import Certifier
from robust.certification.interrupt import check_stopped
from robust.records.record import Record
from tests.plugin.conftest import UNCHECKED

MODEL = "--robust-model=net.py:make"
FEW = (MODEL, UNCHECKED, "--robust-samples=60", "--robust-threat=linf:0.05")
RUN = (*FEW, "--robust-attack=fgsm", "--robust-certify=crown")
pytestmark = pytest.mark.usefixtures("exporting")
UNIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are a thing of Unix")


def records(folder, name="leaderboard"):
    return [Record.from_json(path.read_text()) for path in sorted((folder / name / "results").rglob("*.json"))]


def journals(folder):
    return [*(folder / ".robust" / "certificates").rglob("*.npz")]


def test_it_is_a_test_of_each_threat_model(node_ids, folder):
    threats = "--robust-threat=linf:8/255,l2:0.5,linf:0.1+l2:1"

    assert [line for line in node_ids(*RUN, threats) if "certified" in line] == [
        f"net.py::test_certified[{threat}]" for threat in ("linf-0.05", "linf-8_255", "l2-0.5", "linf-0.1+l2-1")
    ]
    assert not [line for line in node_ids(*RUN, "--robust-certify=none") if "certified" in line]


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["alone", "on two workers"])
def test_the_row_is_a_bracket_in_every_form(pytester, folder, workers):
    """The bound of a linear model is exact: only a stronger attack than fgsm in the box could close it further."""
    result = pytester.runpytest_inprocess(*RUN, "--robust-suite=quick-1", "--junitxml=junit.xml", *workers)

    result.assert_outcomes(passed=4)
    rows = records(folder)
    assert len(rows) == 2
    for row in rows:
        assert row.certificate.method == "crown"
        assert not row.contradicted.any()
        assert 0 < row.certificate.certified.sum() <= row.robust.sum()
    assert (rows[0].certificate.certified == rows[1].certificate.certified).all()
    low, high, left = (100 * marks.mean() for marks in (row.certificate.certified, row.robust, row.open))
    result.stdout.fnmatch_lines([f"net (as-is): {low:.1f} ? robust ? {high:.1f} (certified by crown, 95 % interval*"])
    table = pd.read_csv(folder / "leaderboard" / "leaderboard.csv").set_index("suite").loc["quick-1"]
    assert (table.certify, table.certified, table.open) == ("crown", round(low, 4), round(left, 4))
    assert table.certified_low < table.certified < table.certified_high
    properties = {
        each.get("name"): each.get("value")
        for case in ElementTree.parse(folder / "junit.xml").iter("testcase")
        for each in case.iter("property")
        if case.get("name") == "test_certified[linf-0.05]"
    }
    assert float(properties["robust.certified_percent"]) == round(low, 4)
    assert float(properties["robust.low_percent"]) < low < float(properties["robust.high_percent"])
    assert (properties["robust.n"], properties["robust.certify"]) == ("60", "crown")
    assert not journals(folder)


def test_without_an_attack_it_is_a_line_and_what_it_costs_is_told_before_it_starts(pytester, folder):
    result = pytester.runpytest_inprocess(*RUN, "-k", "certified", "-s")

    result.assert_outcomes(passed=1, deselected=2)
    result.stdout.fnmatch_lines(["net (as-is), linf:0.05: certified * % (95 % interval *, */60) by crown"])
    result.stderr.fnmatch_lines(["net, crown under linf:0.05: * samples to certify, at most about *; a sample: ibp *"])
    assert not journals(folder)


@pytest.mark.parametrize(("floor", "status"), [("certified:1", 0), ("certified@linf:0.05:99", 1)])
def test_a_floor_holds_or_fails_as_others_do(pytester, folder, floor, status):
    result = pytester.runpytest_inprocess(*RUN, f"--robust-fail-under={floor}")

    assert result.ret == status
    if status:
        result.stdout.fnmatch_lines(
            [
                "certified * % (95 % interval *) by crown under linf:0.05 is below the required 99 %",
                "repeat: pytest * 'net.py::test_certified[[]linf-0.05]'",
                "next: no bound can reach it: * % are answered right and not broken; the recipes ibp and crown-ibp *",
            ]
        )


def test_the_time_bounds_it_and_what_is_left_is_open(pytester, folder, monkeypatch):
    bound = Certifier.bound

    def slow(self, x, y, method):
        for _ in range(10 * len(x)):
            check_stopped()
            time.sleep(0.01)
        return bound(self, x, y, method)

    monkeypatch.setattr(Certifier, "bound", slow)
    result = pytester.runpytest_inprocess(*RUN, "--robust-time=3s", "--robust-fail-under=certified:50", "--durations=0")

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*next: give it more time, with --robust-time"])
    result.stdout.fnmatch_lines(["net (as-is): * robust * (certified by crown, stopped by the time, *"])
    (record,) = records(folder)
    assert (record.certificate.partial, record.partial) == ("time", "")
    assert len(journals(folder)) == 1


KILL = """
import os, signal
import robust.certification.journal
from robust.certification.certify import Certifier

robust.certification.journal.EVERY = -1
bound, calls = Certifier.bound, []

def bound_or_die(self, x, y, method):
    calls.append(method)
    if len(calls) == 6:  # the second batch, after four that are timed
        os.kill(os.getpid(), signal.SIGKILL)
    return bound(self, x, y, method)

Certifier.bound = bound_or_die
Certifier.batch = lambda self, method: 20
"""


@UNIX
def test_killed_it_goes_on_and_ends_with_the_same_certificate(pytester, fork_run, folder):
    pytester.runpytest_inprocess(*RUN, "--robust-leaderboard=whole").assert_outcomes(passed=3)
    pytester.makeconftest(KILL)
    assert fork_run(*RUN).ret == -signal.SIGKILL
    assert len(journals(folder)) == 1

    result = fork_run(*RUN, "--noconftest")
    result.stdout.fnmatch_lines(
        ["*net, crown under linf:0.05: goes on from an earlier run: * samples certified, 0 left *"]
    )
    (whole,), (record,) = records(folder, "whole"), records(folder)
    assert record.same_certificate(whole)
    assert not journals(folder)


def test_a_certified_sample_that_is_broken_fails_the_run_and_both_are_filed(pytester, folder, monkeypatch):
    bound = Certifier.bound
    monkeypatch.setattr(Certifier, "bound", lambda self, x, y, method: bound(self, x, y, method) + 9)
    result = pytester.runpytest_inprocess(*RUN)

    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (record,) = records(folder)
    (path,) = folder.rglob("*.npz")
    broken = record.contradicted
    assert broken.sum() == record.correct.sum() - record.robust.sum() > 0
    assert json.loads(path.with_suffix(".json").read_text())["evidence"]
    result.stdout.fnmatch_lines(["FAILED net (as-is), linf:0.05: samples *: certified by crown, and answered *"])
