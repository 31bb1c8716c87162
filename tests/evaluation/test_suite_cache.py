"""The cache of a suite is found by everything that determines its rounds, the code included."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import robust
from robust.attacks.suite import Stage, Suite
from robust.attacks.threats.threat import read_threat
from robust.data.dataset import Samples
from robust.evaluation.suite_cache import FILES, FOLDERS, SuiteInputs
from tests.attacks.models import inputs, network

SUITE = Suite("test-1", (Stage("pgd:steps=2"),))


@pytest.fixture
def given():
    model, x = network(dtype=torch.float32), inputs(8, dtype=torch.float32)
    samples = Samples(x.numpy(), model(x).argmax(1).numpy(), np.arange(8))
    correct, threat = np.ones(8, bool), read_threat("linf:0.03")
    return SuiteInputs(model, Path("net.py"), samples, correct, SUITE, ("fold",), threat, 0)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of this package's files that decide the key, and others."""
    source = Path(robust.__file__).parent
    for folder in (*FOLDERS, "data", "report"):
        shutil.copytree((source / folder).resolve(), tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in source.glob("*.py"):
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(robust, "__file__", str(tmp_path / "__init__.py"))
    return tmp_path


@pytest.mark.parametrize(
    "file",
    [
        "attacks/engine.py",
        "attacks/combine/restarts.py",
        "distributed/ranks.py",
        "evaluation/attack_run.py",
        "evaluation/suite_run.py",
        "verification/check.py",
        "verification/candidates.py",
        *FILES,
    ],
)
def test_code_that_rounds_depend_on_changes_the_key(given, package, file):
    before = given.key
    with (package / file).open("a") as changed:
        changed.write("\n# another version\n")

    assert given.key != before


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_new_file_in_these_folders_changes_the_key(given, package, folder):
    before = given.key
    (package / folder / "new.py").write_text('"""New."""\n')

    assert given.key != before


@pytest.mark.parametrize("file", ["report/board.py", "gates.py"])
def test_other_code_does_not(given, package, file):
    before = given.key
    (package / file).write_text("")

    assert given.key == before


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"search": ()},
        {"threat": read_threat("linf:0.04")},
        {"threat": read_threat("linf:0.03", -1.0, 1.0)},
        {"suite": replace(SUITE, stages=(Stage("pgd:steps=3"),))},
        {"correct": np.arange(8) > 0},
        {"module": network(classes=9, dtype=torch.float32)},
    ],
    ids=["seed", "search", "eps", "bounds", "suite", "correct", "model"],
)
def test_another_run_has_another_key(given, changes):
    assert replace(given, **changes).key != given.key


def test_the_same_run_has_the_same_key(given):
    assert replace(given).key == given.key


def test_where_pictures_are_corrupted_changes_the_key(given):
    resized = replace(given.samples, pictures=SimpleNamespace(resize="Resize(8)"))
    keys = {
        replace(given, samples=samples, threat=read_threat(threat)).key
        for threat in ("corruption:3", "linf:0.1")
        for samples in (given.samples, resized)
    }

    assert len(keys) == 3  # under a ball it is the same
