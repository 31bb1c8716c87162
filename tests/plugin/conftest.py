"""A user's folder with a small trained model, for runs of pytest inside pytest."""

import importlib
import os
import pkgutil

import pytest
import safetensors.torch
import torch
from torch import nn

import robust
from robust.attacks import LpThreat
from robust.certification.read import read_graph
from robust.data.dataset import DATA
from robust.train.factory import read_recipe
from robust.train.loop import fit
from tests.forks import OUTER, ForkedWorker, fork_pytest

# pytester forgets what an inner run imports first; these modules, and what they import, must not be made twice.
for found in pkgutil.walk_packages(robust.__path__, "robust."):
    importlib.import_module(found.name)
for late in (  # imported late, and torch refuses to register its caches twice
    *("captum.attr", "torch.ao.quantization", "torch.export._trace", "torch._functorch.aot_autograd"),
    *("torch._inductor.codecache", "torch._inductor.runtime.autotune_cache"),
):
    importlib.import_module(late)

NET = """
from pathlib import Path
from safetensors.torch import load_file
from torch import nn

def make():
    net = bare()
    net.load_state_dict(load_file(Path(__file__).with_name("weights.safetensors")))
    return net

def bare():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

def needs(width):
    return nn.Linear(width, 10)

def words():
    return {"a": 1}

def breaks():
    raise RuntimeError("no such layer\\nand more")

def lacks():
    return load_file("nosuch.safetensors")

def narrow():
    return nn.Sequential(nn.Flatten(), nn.Linear(10, 10))

def two_classes():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 2))

def one():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 1))

def shares():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.Sigmoid())

class Nan(nn.Sequential):
    def forward(self, x):
        return super().forward(x) / 0 * 0

def nan():
    return Nan(*bare())

class Detached(nn.Sequential):
    def forward(self, x):
        return super().forward(x.detach())

def detached():
    return Detached(*bare())

def double():
    return narrow().double()

class Astray(nn.Sequential):
    def to(self, *args, **kwargs):
        return self

def astray():
    return Astray(nn.Flatten(), nn.Linear(64, 10), nn.BatchNorm1d(10, device="meta"))

NUMBER = 3
"""

FAST = ("--robust-samples=60", "--robust-attack=fgsm,pgd:steps=5")
UNCHECKED = "--robust-verdict=none"  # no test_preflight and no test_trust, which have tests of their own


@pytest.fixture(autouse=True)
def _no_other_plugins(pytester, monkeypatch):
    """pytest-benchmark makes a folder in every run, and Hypothesis and anyio take a second to load.

    The warning is of a run inside a run: there, everything is imported already. Fresh processes would import torch for
    each of hundreds of rows; a test of them asks for one.
    """
    quiet = "-W ignore::pytest.PytestAssertRewriteWarning"
    monkeypatch.setenv("PYTEST_ADDOPTS", f"-p no:benchmark -p no:hypothesispytest -p no:anyio {quiet}")
    monkeypatch.setattr("robust.settings.read.FRESH", 0)


@pytest.fixture(autouse=True)
def _forked_workers(monkeypatch):
    """Each inner `-n 2` would import torch twice; a run by runpytest_subprocess still has fresh workers."""
    for name in OUTER:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("execnet.gateway_io.Popen2IOMaster", ForkedWorker)


@pytest.fixture
def fork_run(pytester):
    """Do what runpytest_subprocess does, in a fork that has imported torch; `before` is called in it first.

    What it prints goes through a pipe, so that a limit to the size of files, which `before` may set, is not for that.
    """

    def fork_run(*args, before=None):
        ours, theirs = os.pipe()
        with os.fdopen(theirs, "w") as pipe:
            run = fork_pytest(args, pytester.path, pipe, pipe, before)
        with os.fdopen(ours) as pipe:
            lines = pipe.read().splitlines()
        return pytest.RunResult(run.wait(), lines, [], 0.0)

    return fork_run


@pytest.fixture(scope="session")
def exporting():
    """Import what torch.export imports late, before the inner runs that certify: torch cannot import it twice."""
    read_graph(nn.Linear(1, 2), torch.zeros(1, 1))


@pytest.fixture(scope="session")
def weights():
    """A trained linear model of the digits: right on nine in ten, and not robust."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    return fit(
        net, read_recipe("standard:epochs=4"), DATA.get("digits").load("train"), LpThreat.parse("linf:0.1")
    ).weights


@pytest.fixture
def folder(pytester, weights):
    """The user's folder: net.py and its weights in two formats."""
    pytester.makepyfile(net=NET)
    safetensors.torch.save_file(weights, pytester.path / "weights.safetensors")
    torch.save(weights, pytester.path / "weights.pt")
    return pytester.path


@pytest.fixture
def run(pytester, folder):
    """Run pytest in the user's folder, on a few samples."""

    def run(*args, fast=True, checked=False):
        return pytester.runpytest_inprocess(*(FAST if fast else ()), *([] if checked else [UNCHECKED]), *args)

    return run


@pytest.fixture
def node_ids(pytester):
    """The node ids that pytest collects with these arguments."""

    def collect(*args):
        result = pytester.runpytest_inprocess("--collect-only", "-q", UNCHECKED, *args)
        return [line for line in result.outlines if "::" in line]

    return collect
