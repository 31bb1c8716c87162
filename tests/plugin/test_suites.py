"""--robust-suite and --robust-time: one item, one row, its stages' figures; stopped, resumed, and told in one line."""

import re
import signal
import sys
from xml.etree import ElementTree

import pandas as pd
import pytest

from robust.records.record import Record
from tests.forks import fork_terminal
from tests.plugin.conftest import UNCHECKED
from tests.plugin.test_idle import REPORT

MODEL = "--robust-model=net.py:make"
MINE = """
[[stages]]
attack = "fgsm"
[[stages]]
attack = "pgd:loss=sice:steps=5:restarts=3"
hardest = 0.5
"""
NAME = "mine-e8316f46"  # by the content
SUITE = (MODEL, UNCHECKED, "--robust-samples=60", "--robust-suite=mine.toml")
UNIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are a thing of Unix")


@pytest.fixture
def mine(folder):
    """The user's folder, with a suite of their own."""
    (folder / "mine.toml").write_text(MINE)
    return folder


def records(folder, name="leaderboard"):
    return [Record.from_json(path.read_text()) for path in sorted((folder / name / "results").rglob("*.json"))]


def journals(folder):
    return [*(folder / ".robust" / "suites").rglob("*.npz")]


@pytest.mark.usefixtures("mine")
def test_node_ids_stay_as_they_are(node_ids):
    assert node_ids(*SUITE, "--robust-suite=standard-1,quick-1", "--robust-threat=linf:8/255,l2:0.5") == [
        "net.py::test_clean",
        *(
            f"net.py::test_suite[{suite}-{threat}]"
            for threat in ("linf-8_255", "l2-0.5")
            for suite in (NAME, "standard-1", "quick-1")
        ),
    ]
    assert node_ids(*SUITE, "--robust-attack=fgsm") == [
        "net.py::test_clean",
        "net.py::test_attack[fgsm-linf-0.15]",
        f"net.py::test_suite[{NAME}-linf-0.15]",
    ]


def test_collecting_a_suite_imports_no_torch(pytester, mine):
    pytester.makeconftest(REPORT)

    result = pytester.runpytest_subprocess(*SUITE, "--collect-only")
    assert result.ret == 0
    result.stdout.re_match_lines([r"imported:\s*$"])


@pytest.mark.parametrize("extra", [(), ("-n2",)])
def test_a_suite_is_one_test_and_one_row(pytester, mine, extra):
    result = pytester.runpytest_inprocess(*SUITE, "--robust-attack=fgsm", "--junitxml=out.xml", *extra)

    result.assert_outcomes(passed=3)
    fgsm, suite = records(mine)
    assert (fgsm.suite, suite.suite) == ("fgsm", NAME)
    first, last = suite.attacks[0].stages
    assert 0 < first.adversarial <= last.adversarial == suite.attacks[0].adversarial.sum()
    assert suite.robust.sum() <= fgsm.robust.sum()
    assert suite.attacks[0].options["stages"][1]["hardest"] == 0.5
    assert suite.partial == ""
    result.stdout.fnmatch_lines([f"digits, linf:0.15, {NAME}, n = 60", "*after 1  after 2  robust %*"])
    table = pd.read_csv(mine / "leaderboard" / "results.csv", keep_default_na=False)
    cumulative = table[table.attack.str.contains("after")]
    assert cumulative.attack.tolist() == [f"{NAME} after {k}: {s.attack}" for k, s in enumerate((first, last), 1)]
    assert cumulative.robust_correct.tolist()[-1] == suite.robust.sum()
    properties = {p.get("name"): p.get("value") for p in ElementTree.parse(mine / "out.xml").iter("property")}
    assert float(properties["robust.robust_percent"]) > 0
    assert not journals(mine)


def test_the_same_again_is_the_same_row(pytester, mine):
    for fate in ("1 new", "1 measured the same as before"):
        pytester.runpytest_inprocess(*SUITE).stdout.fnmatch_lines([f"leaderboard ({fate}):*"])


@pytest.mark.parametrize(
    ("floor", "failed"), [("99", 1), (f"{NAME}:99", 1), ("mine:99", 1), (f"{NAME}-linf-0.15:99", 1), ("mine:1", 0)]
)
def test_a_floor_is_for_the_suite_by_its_name(pytester, mine, floor, failed):
    result = pytester.runpytest_inprocess(*SUITE, f"--robust-fail-under={floor}")

    result.assert_outcomes(passed=2 - failed, failed=failed)
    if failed:
        result.stdout.fnmatch_lines([f"robust accuracy *% (* for {NAME} under linf:0.15 is below the required 99 %*"])
    assert records(mine)[0].partial == ""  # the row is wanted whole


def test_where_no_row_is_wanted_it_stops_once_it_is_below_the_floor(pytester, mine):
    result = pytester.runpytest_inprocess(*SUITE, "--robust-fail-under=99", "--robust-leaderboard=none")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([f"robust accuracy * for {NAME}, stopped by the gate, under linf:0.15 is below*"])
    result.stdout.re_match_lines([r"\s*partial  net "])


def test_when_the_time_is_up_the_row_is_partial_and_has_no_rank(pytester, mine):
    result = pytester.runpytest_inprocess(*SUITE, "--robust-time=0.000001s", "--junitxml=out.xml")

    result.assert_outcomes(passed=2)
    (record,) = records(mine)
    assert record.partial == "time"
    assert record.attacks[0].stages == ()
    assert (record.robust == record.correct).all()
    table = pd.read_csv(mine / "leaderboard" / "results.csv", keep_default_na=False)
    assert table["rank"].tolist() == ["", ""]
    assert table.partial.tolist() == ["time", "time"]
    assert "| partial | net |" in (mine / "leaderboard" / "README.md").read_text()
    assert 'name="robust.partial" value="time"' in (mine / "out.xml").read_text()

    again = pytester.runpytest_inprocess(*SUITE)  # the whole one takes its place
    again.stdout.fnmatch_lines(["leaderboard (1 replaced, the older in history/):*"])
    assert [record.partial for record in records(mine)] == [""]
    third = pytester.runpytest_inprocess(*SUITE, "--robust-time=0.000001s")
    third.stdout.fnmatch_lines(["leaderboard (1 in history/*"])
    assert [record.partial for record in records(mine)] == [""]


def test_a_floor_is_not_held_by_a_suite_that_was_stopped_before_it_attacked(pytester, mine):
    result = pytester.runpytest_inprocess(*SUITE, "--robust-time=0.000001s", "--robust-fail-under=50")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    told = f"{NAME} under linf:0.15 was stopped by the time before its first stage ended"
    result.stdout.fnmatch_lines([f"--robust-fail-under=50: {told}, so nothing shows that it holds; give it more time"])


def test_a_row_that_was_not_attacked_is_not_trusted(pytester, mine):
    args = [arg for arg in SUITE if arg != UNCHECKED]
    pytester.runpytest_inprocess(*args, "--robust-time=0.000001s")
    (record,) = records(mine)
    assert record.verdict == "suspect"
    assert [doubt.name for doubt in record.trust.findings] == ["unattacked", "not-run"]


def test_plain_attacks_are_stopped_too(pytester, mine):
    args = (MODEL, UNCHECKED, "--robust-samples=60", "--robust-attack=pgd", "--robust-time=0.000001s")
    result = pytester.runpytest_inprocess(*args, "--robust-fail-under=50")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (record,) = records(mine)
    assert (record.partial, int(record.attacks[0].adversarial.sum())) == ("time", 0)
    result.stdout.fnmatch_lines(
        ["--robust-fail-under=50: pgd under linf:0.15 was stopped by the time before it ended*"]
    )


def test_a_floor_that_a_stopped_suite_keeps_so_far_is_inconclusive(pytester, mine, monkeypatch):
    calls = iter(range(99))

    def stop_soon(deadline):
        deadline.stopped = next(calls) > 6
        return deadline.stopped

    monkeypatch.setattr("robust.evaluation.time_limit.Deadline.__call__", stop_soon)
    result = pytester.runpytest_inprocess(*SUITE, "--robust-time=1h", "--robust-fail-under=20")

    assert records(mine)[0].attacks[0].stages
    assert records(mine)[0].partial == "time"
    assert result.ret == pytest.ExitCode.OK
    told = "the floor of 20 % holds so far; give it more time"
    result.stdout.fnmatch_lines([f"WARNING net (as-is): inconclusive: robust accuracy * for {NAME}, stopped *: {told}"])


SLOW = """
import time
from net import make as plain

def make():
    net = plain()
    net.register_forward_pre_hook(lambda net, inputs: time.sleep(0.01 * len(inputs[0])))
    return net
"""


def test_the_time_bounds_preflight_too_and_the_suite_gets_most_of_it(pytester, mine):
    """A clean pass takes 0.1 s, preflight as a whole 2.5 s, the suite far more."""
    (mine / "slow.py").write_text(SLOW)
    args = ("--robust-model=slow.py:make", "--robust-samples=10", "--robust-suite=quick-1", "--robust-time=2s")
    result = pytester.runpytest_inprocess(*args, "--durations=0", "-vv")

    calls = re.findall(r"([\d.]+)s call +slow.py::test_(\w+)", result.stdout.str())
    seconds = {test: float(text) for text, test in calls}
    assert sum(seconds.values()) < 2 * 2  # on a quiet machine 2.2
    assert seconds["preflight"] < 1.2  # of 2.5, the clean answers included
    (record,) = records(mine)
    assert record.partial == "time"
    assert record.attacks[0].forwards > 2 * 10
    assert "nondeterministic" in record.trust.not_run
    result.stdout.fnmatch_lines(["WARNING slow (as-is): preflight: not run for lack of time: *nondeterministic*"])


KILL = """
import os, signal
import robust.evaluation.suite_run

add = robust.evaluation.suite_run.SampleState.add

def add_or_die(self, run):
    if self.rounds == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    add(self, run)

robust.evaluation.suite_run.SampleState.add = add_or_die
"""


@UNIX
def test_killed_it_goes_on_and_ends_with_the_same_outcome(pytester, fork_run, mine):
    pytester.runpytest_inprocess(*SUITE, "--robust-leaderboard=whole").assert_outcomes(passed=2)
    pytester.makeconftest(KILL)
    assert fork_run(*SUITE).ret == -signal.SIGKILL
    assert len(journals(mine)) == 3

    pytester.makeconftest(
        "import robust.evaluation.suite_run as c\nassail, calls = c.assail, []\n"
        "def counted(*args, **named):\n    calls.append(1)\n    return assail(*args, **named)\nc.assail = counted\n"
        "def pytest_terminal_summary(terminalreporter):\n    terminalreporter.write_line(f'rounds: {len(calls)}')"
    )
    result = fork_run(*SUITE)
    result.stdout.fnmatch_lines(["rounds: 1"])
    (whole,), (record,) = records(mine, "whole"), records(mine)
    assert record.same_outcomes(whole)
    stages = [[(s.n, s.adversarial, s.forwards, s.backwards) for s in r.attacks[0].stages] for r in (whole, record)]
    assert stages[0] == stages[1]
    assert not journals(mine)


OWN = """
from dataclasses import dataclass
from robust.attacks import ATTACKS
from robust.attacks.zoo.noise import Noise

@ATTACKS.register("own")
@dataclass(frozen=True)
class Own(Noise):
    pass
"""


@UNIX
@pytest.mark.parametrize("changed", ["net.py", "own.py"])
def test_what_another_file_of_the_model_or_of_an_attack_found_is_not_gone_on_with(pytester, fork_run, mine, changed):
    (mine / "own.py").write_text(OWN)
    (mine / "mine.toml").write_text(MINE.replace('"fgsm"', '"own"'))
    pytester.makeconftest(f"import own\n{KILL}")
    fork_run(*SUITE)
    fork_run(*SUITE)
    assert len({path.parent for path in journals(mine)}) == 1

    (mine / changed).write_text((mine / changed).read_text() + "\n# a change\n")
    fork_run(*SUITE)

    assert len({path.parent for path in journals(mine)}) == 2


@pytest.mark.parametrize(("classes", "threats"), [(2, "l2:0.5,linf:0.05+l1:1"), (10, "linf:0.1,l1:2")])
def test_the_suites_that_come_along_run(pytester, folder, classes, threats):
    (folder / "two.py").write_text(
        "import numpy as np\nfrom robust.data.sets.digits import read\n"
        "def load(split):\n    x, y = read(split)\n"
        f"    return x[y < {classes}], y[y < {classes}]\n"
    )
    factory = "make" if classes == 10 else "two_classes"
    args = (f"--robust-model=net.py:{factory}", "--robust-data=two.py:load", "--robust-samples=20")
    suites = ("--robust-suite=quick-1,standard-1", f"--robust-threat={threats}")

    result = pytester.runpytest_inprocess(*args, UNCHECKED, *suites)
    result.assert_outcomes(passed=5)
    assert all(record.attacks[0].stages for record in records(folder))


def test_a_cheaper_copy_is_asked_and_the_record_says_so(pytester, mine):
    result = pytester.runpytest_inprocess(*SUITE, "--robust-search=channels-last,bf16")
    (record,) = records(mine)

    result.assert_outcomes(passed=2)
    assert record.attacks[0].options["search"] == ["channels-last", "bf16"]
    assert record.attacks[0].adversarial.any()
    plain = pytester.runpytest_inprocess(*SUITE)
    plain.stdout.fnmatch_lines(["leaderboard (1 replaced, the older in history*"])
    assert "search" not in records(mine)[0].attacks[0].options


def test_a_model_that_has_no_copy_fails_the_suite_in_one_line(pytester, mine):
    (mine / "branching.py").write_text(
        "import net\nfrom torch import nn\n\nclass Branching(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.net = net.make()\n\n    def forward(self, x):\n"
        "        return self.net(x) if x.sum() > 0 else self.net(x)\n"
    )
    args = [arg.replace("net.py:make", "branching.py:Branching") for arg in SUITE]
    result = pytester.runpytest_inprocess(*args, "--robust-search=fold")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*could not be run: search=fold: the model cannot be traced: *; leave fold out"])


def test_a_wrong_option_in_a_suites_file_is_one_line_before_any_attack(pytester, folder):
    (folder / "option.toml").write_text('[[stages]]\nattack = "fgsm:steps=3"\n')
    result = pytester.runpytest_inprocess(MODEL, "--robust-samples=20", "--robust-suite=option.toml")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --robust-suite=option.toml: option.toml, stage 1: fgsm:steps=3: fgsm has no option 'steps'*"]
    )
    assert not (folder / "leaderboard").exists()


def test_below_a_failed_gate_there_is_no_list_of_checks_that_could_not_be_made(run):
    suite = ("--robust-samples=60", "--robust-suite=quick-1", "--robust-leaderboard=none")
    result = run(MODEL, *suite, "--robust-fail-under=80", fast=False, checked=True)

    result.stdout.fnmatch_lines(["*, stopped by the gate, under linf:0.15 is below the required 80 %"])
    result.stdout.no_fnmatch_line("*by fewer checks*")


@UNIX
def test_a_terminal_shows_the_bound_so_far(mine):
    with fork_terminal(SUITE, mine) as terminal:
        terminal.expect(r"net, mine-[0-9a-f]{8}")
        terminal.expect(r"\d of 2 stages: at most \d+\.\d% robust")
        terminal.expect("2 passed")
