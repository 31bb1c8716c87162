"""The pytest plugin: options, hooks and fixtures.

If it is installed but unused, it costs nothing: no heavy import, no file, no process.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import pytest

from robust.settings.pytest_options import add_options, read_option, refuse_unknown_keys
from robust.settings.typed_options import list_sources, refuse_malformed, refuse_unknown, types_gate

if TYPE_CHECKING:
    import torch
    from torch import nn

    from robust.data.dataset import Samples
    from robust.session.case import Case
    from robust.session.fixtures import Attacker, Report
    from robust.session.run import Run
    from robust.settings.settings import Variant


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from robust import hookspec

    pluginmanager.add_hookspecs(hookspec)


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    config: pytest.Config | None = pluginmanager.get_plugin("pytestconfig")
    if config is not None:
        for where, words in list_sources(config):
            refuse_malformed(words, where)
    add_options(parser)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(parser: pytest.Parser, args: list[str]) -> Iterator[None]:
    yield  # they may declare options, too
    refuse_unknown(parser, args)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "robust(threat=..., fail_under=...): a robustness test; in your own tests what robust_attack takes as the "
        "threat model, and the percentage that its results must reach",
    )
    if config.option.help or config.option.markers:  # these must answer, whatever the ini file says
        return
    refuse_unknown_keys(config)
    if read_option(config, "model"):
        from robust.session import SETTINGS
        from robust.session.collection import CollectionHooks
        from robust.session.ending import Ending
        from robust.session.held_exit import HELD
        from robust.session.hooks import RobustSession
        from robust.session.run import RUN, Run
        from robust.session.selection import Selection

        HELD.start()
        config.add_cleanup(HELD.stop)
        config.stash[RUN] = run = Run(config)
        config.stash[SETTINGS] = run.settings
        selection = Selection(config, run.settings)
        config.pluginmanager.register(CollectionHooks(config, run.settings), "robust-collection")
        config.pluginmanager.register(selection, "robust-selection")
        session = RobustSession(run, selection)
        config.pluginmanager.register(session, "robust-session")
        config.pluginmanager.register(Ending(session.failures), "robust-ending")
    elif read_option(config, "only") or types_gate(config.invocation_params.args):
        how = "--robust-model=net.py:make of pytest, or as robust evaluate net.py:make"
        raise pytest.UsageError(f"there is no model to test; name one, as {how}")
    else:
        from robust.settings.waiting_gates import WaitingGates, list_waiting

        if waiting := list_waiting(config):
            config.pluginmanager.register(WaitingGates(waiting), "robust-waiting")


@pytest.fixture(scope="session")
def _robust_run(request: pytest.FixtureRequest) -> "Run":
    if not read_option(request.config, "model"):
        pytest.skip("needs --robust-model")
    from robust.session.run import RUN

    return request.config.stash[RUN]


@pytest.fixture(scope="module")
def _robust_variant(request: pytest.FixtureRequest, _robust_run: "Run") -> "Variant":
    """Return the model under test, and how it is trained: the parameter of every test that asks for the model."""
    from robust.session.model_file import model_path

    variant: Variant = getattr(request, "param", None) or _robust_run.settings.variants(model_path(request.node))[0]
    return variant


@pytest.fixture(scope="module")
def _robust_parts(_robust_run: "Run", _robust_variant: "Variant") -> "Run":
    return _robust_run.of(_robust_variant)


@pytest.fixture(scope="module")
def robust_model(_robust_variant: "Variant", _robust_parts: "Run") -> "nn.Module":
    """Return the model under test, in evaluation mode, on `robust_device`: inputs within the bounds in, logits out.

    A test that asks for it is run with every model and every training of the run.
    """
    return _robust_parts.resources.models.load(_robust_variant).module


def _scope_data(fixture_name: str, config: pytest.Config) -> Literal["function", "session"]:
    """Return how long the samples stay the same: with folds, those of each model are its own."""
    return "function" if read_option(config, "folds") else "session"


@pytest.fixture(scope=_scope_data)
def robust_data(request: pytest.FixtureRequest, _robust_run: "Run") -> "Samples":
    """Return the test samples of this run: .x (n, *shape), .y (n,), .index (n,), as numpy arrays.

    An x of more than 256 MB is read from the disk when it is indexed, as an array would be. With --robust-folds they
    are those of the fold.
    """
    folds = _robust_run.settings.folds
    run = request.getfixturevalue("_robust_parts") if folds else _robust_run
    samples: Samples = run.resources.data.samples
    return samples


@pytest.fixture(scope="session")
def robust_device(_robust_run: "Run") -> "torch.device":
    """Return the torch.device that the model is on."""
    return _robust_run.resources.models.device


@pytest.fixture(scope="session")
def robust_seed(_robust_run: "Run") -> int:
    """Return the seed of this run."""
    return _robust_run.settings.seed


@pytest.fixture
def _robust_case(
    request: pytest.FixtureRequest,
    _robust_variant: "Variant",
    robust_model: "nn.Module",
    robust_data: "Samples",
    robust_seed: int,
) -> "Case":
    from robust.session.case import DECISIONS, Case

    request.node.stash[DECISIONS] = []  # a test that is run again decides again
    return Case(request.node, _robust_variant, robust_model, robust_data, robust_seed)


@pytest.fixture
def robust_attack(_robust_parts: "Run", _robust_case: "Case") -> "Attacker":
    """Attack the model: `robust_attack("pgd:steps=40", threat="linf:8/255").accuracy`."""
    from robust.session.fixtures import Attacker

    threat = _robust_parts.settings.threats[0]
    return Attacker(_robust_parts.measurements, _robust_parts.accuracy_test, _robust_case, threat)


@pytest.fixture
def robust_report(_robust_parts: "Run", _robust_case: "Case") -> "Report":
    """Add what a test measured to the table and the leaderboard: `robust_report.add(robust_attack("pgd"))`."""
    from robust.session.fixtures import Report

    return Report(_robust_parts.accuracy_test, _robust_case)
