import subprocess
import sys

import pytest

from robust import torchvision_compat


@pytest.fixture
def registered(monkeypatch):
    """Return a list that counts the registrations of the schemas, which do not really happen."""
    times = []
    monkeypatch.setattr(torchvision_compat, "_register_schemas", lambda: times.append(1))
    return times


class Loader:
    """A loader that raises the given errors one after the other, and then answers."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "loaded"


SYMPTOM = RuntimeError(f"{torchvision_compat.SYMPTOM}\nand more")


def test_a_load_that_works_is_called_once(registered):
    load = Loader()

    assert (torchvision_compat.with_torchvision(load), load.calls, registered) == ("loaded", 1, [])


def test_a_load_that_lacks_the_operators_is_called_again_with_them(registered):
    load = Loader(SYMPTOM)

    assert (torchvision_compat.with_torchvision(load), load.calls, registered) == ("loaded", 2, [1])


@pytest.mark.parametrize("chained", [True, False])
def test_what_was_raised_because_of_it_is_the_symptom_too(registered, chained):
    def load():
        if registered:
            return "loaded"
        try:
            raise SYMPTOM
        except RuntimeError as error:
            if chained:
                raise ModuleNotFoundError("Could not import module 'ViTModel'") from error
            raise ImportError("Could not import it")  # noqa: B904

    assert (torchvision_compat.with_torchvision(load), registered) == ("loaded", [1])


@pytest.mark.parametrize(
    "other",
    [RuntimeError("CUDA error"), RuntimeError(), ValueError(torchvision_compat.SYMPTOM), ImportError("torchvision")],
)
def test_another_error_goes_through_after_one_call(registered, other):
    load = Loader(other)

    with pytest.raises(type(other)) as error:
        torchvision_compat.with_torchvision(load)

    assert error.value is other
    assert (load.calls, registered) == (1, [])


@pytest.mark.parametrize("second", [SYMPTOM, RuntimeError("CUDA error"), KeyError("x")])
def test_what_fails_again_is_not_tried_a_third_time(registered, second):
    load = Loader(SYMPTOM, second)

    with pytest.raises(type(second)) as error:
        torchvision_compat.with_torchvision(load)

    assert error.value is second
    assert (load.calls, registered) == (2, [1])


def test_the_door_opens_in_a_fresh_interpreter_and_stays_open():
    code = """if True:
        import torch
        from robust.torchvision_compat import import_torchvision

        models = import_torchvision("torchvision.models")
        assert models.resnet18(num_classes=3).eval()(torch.zeros(2, 3, 64, 64)).shape == (2, 3)
        assert import_torchvision("torchvision.models") is models
        resize = import_torchvision("torchvision.transforms.v2").Resize(4)
        assert resize(torch.zeros(3, 8, 8)).shape == (3, 4, 4)
        import torchvision as plain
        assert plain is import_torchvision()
    """

    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import torchvision\nmake = torchvision.models.squeezenet1_1", "SqueezeNet"),
        pytest.param(
            "import timm\ndef make(): return timm.create_model('test_resnet')", "ResNet", marks=pytest.mark.slow
        ),
        pytest.param(
            "def make():\n"
            "    from transformers import ViTConfig, ViTModel\n"
            "    return ViTModel(ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=1))",
            "ViTModel",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["torchvision", "timm", "transformers"],
)
def test_a_file_that_imports_torchvision_loads_in_a_fresh_interpreter(tmp_path, source, name):
    (tmp_path / "net.py").write_text(source)
    (tmp_path / "main.py").write_text(
        "from pathlib import Path\n"
        "from robust.models.format import Terms\n"
        "from robust.models.load import load\n"
        "from robust.models.spec import ModelSpec\n"
        "subject = load(ModelSpec.parse('net.py:make', Path()), None, Path(), Terms((3,), 10))\n"
        f"assert type(subject.module).__name__ == '{name}'\n"
    )

    subprocess.run([sys.executable, "main.py"], cwd=tmp_path, check=True)
