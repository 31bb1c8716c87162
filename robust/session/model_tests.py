"""The shipped tests, mounted on the user's model file: net.py::test_clean, net.py::test_attack[pgd-linf-8_255]."""

from typing import TYPE_CHECKING

import pytest

from robust.attacks.spec import Spec, threat_slug
from robust.session import RUN
from robust.train.recipe import AS_IS

if TYPE_CHECKING:
    from torch import nn

    from robust.data.dataset import Samples


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    settings = metafunc.config.stash[RUN].settings
    if settings.trainings != (AS_IS,):
        ids = [Spec.parse(text).slug for text in settings.trainings]
        metafunc.parametrize("robust_training", settings.trainings, indirect=True, ids=ids, scope="module")
    if "attack" in metafunc.fixturenames:
        pairs = [(attack, threat) for threat in settings.threats for attack in settings.attacks]
        ids = [f"{Spec.parse(attack).slug}-{threat_slug(threat)}" for attack, threat in pairs]
        metafunc.parametrize(("attack", "threat"), pairs, ids=ids)


def test_clean(
    request: pytest.FixtureRequest, robust_model: "nn.Module", robust_training: str, robust_data: "Samples"
) -> None:
    """The model's accuracy without an attack."""
    request.config.stash[RUN].bench.clean(request.node, robust_model, robust_training, robust_data)


def test_attack(
    request: pytest.FixtureRequest,
    robust_model: "nn.Module",
    robust_training: str,
    robust_data: "Samples",
    attack: str,
    threat: str,
) -> None:
    """The model's accuracy under one attack, which starts on all samples that are answered right."""
    request.config.stash[RUN].bench.attack(request.node, robust_model, robust_training, robust_data, attack, threat)
