"""`torchrun -m robust evaluate`, as a person at a terminal uses it: on one machine, killed there, and on two."""

import os
import shutil
import socket
import subprocess
import sys

import pytest
from safetensors.torch import save_file

from robust.records.record import Record

pytestmark = [
    pytest.mark.slow,  # tests/distributed holds what ranks do, a process at a time
    pytest.mark.skipif(sys.platform != "linux", reason="network namespaces, and signals, are Linux's"),
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
    net = Wide(nn.Flatten(), nn.Linear(64, 10)).double()
    net.load_state_dict(load_file(Path(__file__).with_name("weights.safetensors")))
    return net
"""
SUITE = '[[stages]]\nattack = "pgd:steps=2:restarts=3"\n\n[[stages]]\nattack = "fgsm:restarts=3"\nhardest = 0.5\n'
DIE = """
import os, signal
import robust.evaluation.suite_run

add = robust.evaluation.suite_run.SampleState.add

def add_or_die(self, run):
    if self.rounds == 2 and os.environ.get("RANK") == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    add(self, run)

robust.evaluation.suite_run.SampleState.add = add_or_die
"""
WORDS = ("evaluate", "net.py:make", "--suite=mine.toml", "--attack=pgd:steps=3", "--samples=90", "--threat=linf:0.05")
NAMES = (f"robust-{os.getpid()}-a", f"robust-{os.getpid()}-b")  # of this process: two runs of these tests may meet
ADDRESSES = ("10.213.77.1", "10.213.77.2")


@pytest.fixture
def mine(pytester, weights):
    pytester.makepyfile(net=NET)
    save_file({name: value.double() for name, value in weights.items()}, pytester.path / "weights.safetensors")
    (pytester.path / "mine.toml").write_text(SUITE)
    (pytester.path / "pytest.ini").touch()
    return pytester.path


def records(folder):
    paths = sorted((folder / "leaderboard" / "results").rglob("*.json"))
    return {path.parent.name: Record.from_json(path.read_text()) for path in paths}


def torchrun(folder, *args, before=(), **environment):
    command = [*before, sys.executable, "-m", "torch.distributed.run", *args, "-m", "robust", *WORDS]
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def told_by(*runs):
    """Wait for the processes, five minutes at most; return what each said. None is left behind for later tests."""
    try:
        return [run.communicate(timeout=300)[0] for run in runs]
    finally:
        for run in runs:
            run.kill()
            run.communicate()


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def hosts():
    """(what comes before its commands, its address, its network) of two hosts; twice of one where none can be made."""
    try:
        for name in NAMES:
            ip("netns", "add", name)
        ip("link", "add", "robust-a", "netns", NAMES[0], "type", "veth", "peer", "name", "robust-b", "netns", NAMES[1])
        for name, address, link in zip(NAMES, ADDRESSES, ("robust-a", "robust-b"), strict=True):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", link)
            ip("-n", name, "link", "set", link, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield [
            (("ip", "netns", "exec", name), address, link)
            for name, address, link in zip(NAMES, ADDRESSES, ("robust-a", "robust-b"), strict=True)
        ]
    except (OSError, subprocess.CalledProcessError):  # no ip, or not root
        yield [((), "127.0.0.1", "lo")] * 2
    finally:
        for name in NAMES:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_killed_on_one_machine_it_goes_on_on_two_and_the_record_is_the_plugins(
    pytester, monkeypatch, mine, hosts, tmp_path
):
    shutil.copytree(mine, alone := tmp_path / "alone")
    (mine / "conftest.py").write_text(DIE)
    [killed] = told_by(run := torchrun(mine, "--nproc-per-node=2"))

    assert run.returncode == 1
    assert "robust evaluate: rank 1 of 2 is gone; what was finished is kept, and the same command goes on" in killed
    assert "Traceback" not in killed.partition("ChildFailedError")[0].partition("robust evaluate")[0]
    assert len([*mine.glob(".robust/suites/*/*.npz")]) == 3

    (mine / "conftest.py").unlink()
    shutil.copytree(mine, other := tmp_path / "other", ignore=shutil.ignore_patterns(".robust", "leaderboard"))
    shared = ["--nnodes=2", "--nproc-per-node=1", f"--master-addr={hosts[0][1]}", f"--master-port={free_port()}"]
    first, second = (
        torchrun(folder, *shared, f"--node-rank={k}", before=before, GLOO_SOCKET_IFNAME=network)
        for k, (folder, (before, _, network)) in enumerate(zip((mine, other), hosts, strict=True))
    )
    told = told_by(first, second)

    assert [first.returncode, second.returncode] == [0, 0], told
    assert ["6 passed" in each for each in told] == [True, False]
    assert not (other / "leaderboard").exists()
    monkeypatch.chdir(alone)
    words = (f"--robust-{word.removeprefix('--')}" for word in WORDS[2:])
    pytester.runpytest_inprocess("--robust-only", f"--robust-model={WORDS[1]}", *words).assert_outcomes(passed=6)
    found, wanted = records(mine), records(alone)
    assert len(found) == 2
    assert found.keys() == wanted.keys()
    for name, record in found.items():
        assert record.same_outcomes(wanted[name])
        assert record.same_trust(wanted[name])
        assert record.evidence == wanted[name].evidence
