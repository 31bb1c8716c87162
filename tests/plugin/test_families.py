"""Each family of threats on images through the plugin: killed, on two workers and over ranks a row is the same."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from robust.records.record import Record
from tests.plugin.conftest import UNCHECKED

pytestmark = [
    pytest.mark.slow,  # tests/distributed and tests/evaluation hold what a suite does, without a start of pytest
    pytest.mark.skipif(sys.platform == "win32", reason="signals are a thing of Unix"),
]

# In float64, where the company of a batch changes nothing.
NET = """
from pathlib import Path
from safetensors.torch import load_file
from torch import nn

class Wide(nn.Sequential):
    def forward(self, x):
        return super().forward(x.double())

def make():
    net = Wide(nn.Flatten(), nn.Linear(64, 10))
    net.load_state_dict(load_file(Path(__file__).with_name("weights.safetensors")))
    return net.double()
"""
ONE_STAGE = ("corruption:1", "patch:2x1:universal=true")
THREATS = ("l0:2", "spatial:rotate=10", "patch:2x1", *ONE_STAGE)
WORDS = ("net.py:make", "--suite=quick-1", "--samples=30", f"--threat={','.join(THREATS)}")
DIE = """
import os, signal
import robust.evaluation.suite_run

add = robust.evaluation.suite_run.SampleState.add

def die(self, run):
    os.kill(os.getpid(), signal.SIGKILL)

robust.evaluation.suite_run.SampleState.add = die
"""
COUNT = """
import robust.evaluation.suite_run as run
assail, calls = run.assail, []

def count(*args, **named):
    calls.append(1)
    return assail(*args, **named)

run.assail = count

def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"rounds: {len(calls)}")
"""


def options(threat):
    words = [word.replace("--", "--robust-") for word in WORDS[1:-1]]
    return ["--robust-only", UNCHECKED, f"--robust-model={WORDS[0]}", *words, f"--robust-threat={threat}"]


@pytest.fixture
def mine(pytester, folder):
    """The user's folder, with a model in float64."""
    (folder / "net.py").write_text(NET)
    return folder


def records(folder, name="leaderboard"):
    paths = (folder / name / "results").rglob("*.json")
    return {record.threat: record for record in (Record.from_json(path.read_text()) for path in paths)}


def check_same(found, wanted):
    assert found.keys() == wanted.keys()
    for threat, record in found.items():
        assert 0 < record.robust.sum() < record.correct.sum()
        assert record.same_outcomes(wanted[threat])
        assert record.evidence == wanted[threat].evidence


@pytest.mark.parametrize("threat", THREATS)
def test_killed_after_its_first_stage_a_suite_ends_with_the_same_row(pytester, fork_run, mine, threat):
    fork_run(*options(threat), "--robust-leaderboard=whole").assert_outcomes(passed=2)
    (wanted,) = records(mine, "whole").values()
    stages = wanted.attacks[0].stages
    pytester.makeconftest(DIE)
    assert fork_run(*options(threat)).ret == -signal.SIGKILL
    assert len([*(mine / ".robust" / "suites").rglob("*.npz")]) == 1

    pytester.makeconftest(COUNT)
    fork_run(*options(threat)).stdout.fnmatch_lines([f"rounds: {len(stages) - 1}"])
    check_same(records(mine), records(mine, "whole"))
    cost = [
        [(s.n, s.adversarial, s.forwards, s.backwards) for s in r.attacks[0].stages]
        for r in (wanted, *records(mine).values())
    ]
    assert cost[0] == cost[1]
    assert (len(stages) == 1) == (threat in ONE_STAGE)


def test_on_two_workers_and_over_ranks_rows_are_those_of_one_process(fork_run, mine, tmp_path):
    fork_run(*options(",".join(THREATS))).assert_outcomes(passed=6)
    fork_run(*options(",".join(THREATS)), "-n2", "--robust-leaderboard=shared").assert_outcomes(passed=6)
    check_same(records(mine, "shared"), records(mine))

    shutil.copytree(mine, over := tmp_path / "ranks", ignore=shutil.ignore_patterns(".robust", "leaderboard", "shared"))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "-m", "robust", "evaluate", *WORDS]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, "--verdict=none"], cwd=over, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    check_same(records(over), records(mine))
