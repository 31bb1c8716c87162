"""An architecture is for files of weights: where no model of the run is one, it is refused and not dropped."""

import pytest

from robust.models.compressed import CARD
from robust.session.header import describe_run
from robust.settings.parsing import SettingsError
from tests.settings.making import read

ARCH = "arch=other.py:make"
IDLE = {
    "a factory": "net.py:make",
    "an architecture": "zoo:cnn",
    "an ensemble of factories": "ensemble:net.py:make,other.py:make",
    "a black box": "blackbox:net.py:make",
    "an endpoint": "http://a.example/predict",
    "a folder of robust compress": "packed",
}
SUITE = '[[stages]]\nattack = "pgd:surrogate=weights.pt"\n'


@pytest.fixture
def packed(folder):
    (folder / "packed").mkdir()
    (folder / "packed" / CARD).write_text("{}")
    return folder


@pytest.mark.parametrize("model", IDLE.values(), ids=IDLE)
def test_it_is_refused_beside_what_makes_its_own_network(packed, model):
    with pytest.raises(SettingsError) as caught:
        read(packed, f"model={model}", ARCH)

    problem = f"it is for a file of weights, and no model is one ({model}); leave it out"
    assert caught.value.line("--robust-") == f"--robust-arch=other.py:make: {problem}"


def test_an_ini_file_is_refused_that_names_both(folder):
    with pytest.raises(SettingsError, match=r"\(net.py:make\); leave it out$"):
        read(folder, ini=["model=net.py:make", ARCH])


def test_that_of_an_ini_file_waits_for_weights_and_the_header_says_so(folder):
    told = "robust: no model is a file of weights, so the ini file's robust_arch=other.py:make is not used"

    assert told in describe_run(read(folder, "model=net.py:make", ini=[ARCH]))
    for typed in (["model=weights.pt"], ["model=net.py:make", "attack=pgd:surrogate=weights.pt"]):
        assert told not in describe_run(read(folder, *typed, ini=[ARCH]))


@pytest.mark.parametrize(
    "typed",
    [
        ["model=net.py:make", "model=weights.pt"],
        ["model=ensemble:net.py:make,weights.pt"],
        ["model=weights.pt", "train=standard"],
        ["model=net.py:make", "attack=fgsm,pgd:surrogate=weights.pt"],
        ["model=net.py:make", "suite=transfer.toml"],
    ],
    ids=" ".join,
)
def test_one_file_of_weights_suffices(folder, typed):
    (folder / "transfer.toml").write_text(SUITE)

    assert read(folder, *typed, ARCH).arch == "other.py:make"
