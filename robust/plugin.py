"""The pytest plugin: options and hooks only.

Installed but unused it costs nothing: no heavy import, no file, no process.
"""

from typing import TYPE_CHECKING

import pytest

from robust.options import add_options, value

if TYPE_CHECKING:
    from torch import nn

    from robust.data.dataset import Samples
    from robust.session.run import Run


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "robust: a robustness test of pytest-robust")
    if config.option.help or config.option.markers:  # these must answer, whatever the ini file says
        return
    if value(config, "model"):
        from robust.session import RUN
        from robust.session.collect import Mount
        from robust.session.hooks import RobustSession
        from robust.session.run import Run

        config.stash[RUN] = run = Run(config)
        paths = [spec.path for spec in run.settings.models]
        config.pluginmanager.register(Mount(config.rootpath, paths, run.settings.only), "robust-mount")
        config.pluginmanager.register(RobustSession(run), "robust-session")
    elif value(config, "only"):
        raise pytest.UsageError("--robust-only: there is no model to test; name one with --robust-model")


@pytest.fixture(scope="session")
def _robust_run(request: pytest.FixtureRequest) -> "Run":
    if not value(request.config, "model"):
        pytest.skip("needs --robust-model")
    from robust.session import RUN

    return request.config.stash[RUN]


@pytest.fixture(scope="module")
def robust_training(request: pytest.FixtureRequest, _robust_run: "Run") -> str:
    """The recipe that the model under test is trained by, or "as-is"; the robustness tests set it one by one."""
    trainings = _robust_run.settings.trainings
    return str(getattr(request, "param", trainings[0]))


@pytest.fixture(scope="module")
def robust_model(request: pytest.FixtureRequest, robust_training: str, _robust_run: "Run") -> "nn.Module":
    """The model under test, in evaluation mode: inputs within the data's bounds in, logits out."""
    return _robust_run.workshop.subject(request.path, robust_training).module


@pytest.fixture(scope="session")
def robust_data(_robust_run: "Run") -> "Samples":
    """The test samples of this run: .x (n, *shape), .y (n,), .index (n,), as numpy arrays."""
    return _robust_run.workshop.samples
