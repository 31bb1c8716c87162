"""The pytest plugin: options and hooks only.

Installed but unused it costs nothing: no heavy import, no file, no process.
"""

from typing import TYPE_CHECKING

import pytest

from robust.options import add_options, value

if TYPE_CHECKING:
    from torch import nn

    from robust.data.dataset import Samples
    from robust.session.hooks import RobustSession


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "robust: a robustness test of pytest-robust")
    if value(config, "model"):
        from robust.session import SESSION
        from robust.session.hooks import RobustSession

        config.stash[SESSION] = session = RobustSession(config)
        config.pluginmanager.register(session, "robust-session")
    elif value(config, "only"):
        raise pytest.UsageError("--robust-only: there is no model to test; name one with --robust-model")


@pytest.fixture(scope="session")
def _robust_session(request: pytest.FixtureRequest) -> "RobustSession":
    if not value(request.config, "model"):
        pytest.skip("needs --robust-model")
    from robust.session import SESSION

    return request.config.stash[SESSION]


@pytest.fixture(scope="module")
def robust_training(request: pytest.FixtureRequest, _robust_session: "RobustSession") -> str:
    """The recipe that the model under test is trained by, or "as-is"; the robustness tests set it one by one."""
    trainings = _robust_session.settings.trainings
    return str(getattr(request, "param", trainings[0]))


@pytest.fixture(scope="module")
def robust_model(request: pytest.FixtureRequest, robust_training: str, _robust_session: "RobustSession") -> "nn.Module":
    """The model under test, in evaluation mode: inputs within the data's bounds in, logits out."""
    return _robust_session.workshop.subject(request.path, robust_training).module


@pytest.fixture(scope="session")
def robust_data(_robust_session: "RobustSession") -> "Samples":
    """The test samples of this run: .x (n, *shape), .y (n,), .index (n,), as numpy arrays."""
    return _robust_session.workshop.samples
