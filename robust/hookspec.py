"""The hooks that conftest.py files and other plugins may implement.

In a conftest.py, decorate them with `@pytest.hookimpl(optionalhook=True)`: then pytest also runs if this plugin is not
installed, or is off by `-p no:robust`. Take only the arguments that you need.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from torch import nn

    from robust.data.dataset import Dataset
    from robust.records.record import Record


@pytest.hookspec(firstresult=True)
def pytest_robust_load_model(config: pytest.Config, path: Path) -> "nn.Module | None":
    """Load a model from a file in your own format; None leaves it to the next hook, and at last to the plugin.

    `path` is the file of --robust-model=PATH, which exists. The hook is called once in every process that measures. ::

        @pytest.hookimpl(optionalhook=True)
        def pytest_robust_load_model(path):
            if path.suffix == ".blob":
                return our_library.load(path).as_torch()
    """


@pytest.hookspec(firstresult=True)
def pytest_robust_load_data(config: pytest.Config, name: str) -> "Dataset | None":
    """Declare your own data set for --robust-data=NAME; None leaves it to the next hook, and at last to the plugin.

    The hook is called while options are read, so import heavy modules only in the function that reads. ::

        @pytest.hookimpl(optionalhook=True)
        def pytest_robust_load_data(name):
            if name == "scans":
                from robust.data import Dataset

                return Dataset("scans", "linf:2/255", 0.0, 1.0, classes=3, shape=(1, 64, 64), read=read_scans)
    """


@pytest.hookspec
def pytest_robust_attacks(config: pytest.Config, attacks: list[str], threats: list[str]) -> None:
    """Change the lists of attacks and threat models in place, as `pytest_collection_modifyitems` does with tests.

    Their items are texts as --robust-attack and --robust-threat take them. ::

        @pytest.hookimpl(optionalhook=True)
        def pytest_robust_attacks(attacks):
            if os.environ.get("NIGHTLY"):
                attacks.append("pgd:steps=200:restarts=5")
    """


@pytest.hookspec
def pytest_robust_record(config: pytest.Config, record: "Record") -> None:
    """Use a row, one model under one threat model, as soon as it is complete and filed.

    The hook is called on the controller of pytest-xdist, or in the only process. ::

        @pytest.hookimpl(optionalhook=True)
        def pytest_robust_record(record):
            mlflow.log_metric(f"robust {record.threat}", record.robust.mean())
    """


@pytest.hookspec
def pytest_robust_gates(config: pytest.Config, records: "list[Record]") -> list[str] | None:
    """Decide your own gates after the last test; return a line for each that fails, or None.

    Each line is printed, and fails the run. ::

        @pytest.hookimpl(optionalhook=True)
        def pytest_robust_gates(records):
            return [f"{r.model.name} costs too much" for r in records if r.robust.mean() < r.correct.mean() / 2]
    """


@pytest.hookspec
def pytest_robust_report(config: pytest.Config, folder: Path, records: "list[Record]") -> None:
    """Write more files into the leaderboard's folder, after its own files.

    The hook is not called without a leaderboard. ::

        @pytest.hookimpl(optionalhook=True)
        def pytest_robust_report(folder, records):
            (folder / "worst.txt").write_text(min(records, key=lambda r: r.robust.mean()).model.name)
    """
