import sys

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from robust import torchvision_compat
from robust.models.format import Terms
from robust.models.load import get_builder, load
from robust.models.permissions import Permissions
from robust.models.spec import ModelSpec
from robust.models.weights import hash_weights
from robust.user_code import import_file

LINEAR = """
from torch import nn

def make():
    return nn.Linear(3, 2)
"""


@pytest.fixture
def make(tmp_path):
    """Write net.py and load its factory."""

    def write_and_load(source, factory="make"):
        (tmp_path / "net.py").write_text(source)
        return load(ModelSpec.parse(f"net.py:{factory}", tmp_path), None, tmp_path, Terms((3,), 10))

    return write_and_load


@pytest.fixture
def fill(tmp_path):
    """Save the weights of a module and load them into an architecture."""
    (tmp_path / "net.py").write_text(LINEAR)

    def save_and_load(module, arch, classes=10):
        torch.save(module.state_dict(), tmp_path / "w.pt")
        return load(ModelSpec.parse("w.pt", tmp_path), arch, tmp_path, Terms((3,), classes))

    return save_and_load


@pytest.mark.parametrize(
    ("source", "factory", "name"),
    [
        (LINEAR, "make", "net"),
        ("from torch.nn import Linear\nwide = lambda inputs=3: Linear(inputs, 2)", "wide", "net-wide"),
        ("from torch import nn\nclass Net(nn.Linear):\n  def __init__(self): super().__init__(3, 2)", "Net", "net-net"),
    ],
    ids=["function", "defaults", "class"],
)
def test_a_factory_makes_the_model(make, source, factory, name):
    subject = make(source, factory)

    assert isinstance(subject.module, nn.Linear)
    assert (subject.name, subject.training, subject.params) == (name, "as-is", 8)


def test_every_build_is_a_fresh_module(tmp_path):
    (tmp_path / "net.py").write_text(LINEAR)
    build = get_builder(ModelSpec.parse("net.py:make", tmp_path), None, tmp_path, Terms((3,), 10))

    assert build() is not build()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "def make(width): pass",
            "net.py:make cannot be called so: missing a required argument: 'width'; "
            "arguments are written as net.py:make(width=2)",
        ),
        ("def make():\n    return {}", "net.py:make returned dict, expected torch.nn.Module"),
        ("def make():\n    pass", "net.py:make returned NoneType, expected torch.nn.Module; end it with return"),
        ("from torch import nn\nmake = lambda: nn.Linear", "net.py:make returned type, expected torch.nn.Module"),
        ("make = 3", "net.py:make is a int, expected a function or class that makes the model"),
        ("def make():\n\n    raise KeyError('a')", "net.py:make failed: KeyError: 'a' (net.py, line 3)"),
        ("def make():\n    raise OSError", "net.py:make failed: OSError:  (net.py, line 2)"),
        ("def make():\n    raise OSError('a\\nb')", "net.py:make failed: OSError: a (net.py, line 2)"),
        ("\n1 / 0", "running net.py failed: ZeroDivisionError: division by zero (net.py, line 2)"),
        ("import nosuch", "running net.py failed: ModuleNotFoundError: No module named 'nosuch' (net.py, line 1)"),
    ],
)
def test_a_factory_that_does_not_make_a_model_is_one_clear_line(make, source, message):
    with pytest.raises(ValueError, match=r"^(running )?net\.py") as error:
        make(source)

    assert str(error.value) == message


def test_a_file_that_is_not_python_is_reported_with_its_line(make):
    with pytest.raises(ValueError, match=r"running net\.py failed: SyntaxError: .*net\.py, line 2"):
        make("x = 1\ndef make(:\n")


def test_a_file_that_ends_the_program_does_not_end_ours(make):
    with pytest.raises(ValueError, match=r"running net\.py failed: SystemExit"):
        make("import sys\nsys.exit('usage: net.py --data')")


def test_the_user_may_still_interrupt_a_file(make):
    with pytest.raises(KeyboardInterrupt):
        make("raise KeyboardInterrupt")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (LINEAR, "net.py has no 'mak', did you mean 'make'? Known: make"),
        ("from torch import nn\nclass Net(nn.Module): pass", "net.py has no 'mak'. Known: Net"),
        ("", "net.py has no 'mak'. Known: none"),
    ],
)
def test_a_factory_that_is_not_there_is_reported_with_those_that_are(make, source, message):
    with pytest.raises(LookupError) as error:
        make(source, "mak")

    assert error.value.args == (message,)


def test_a_file_imports_its_neighbours(make, tmp_path):
    (tmp_path / "sibling_of_net.py").write_text("from torch import nn\nclass Net(nn.Flatten): pass")

    assert type(make("from sibling_of_net import Net", "Net").module).__name__ == "Net"


def test_a_file_runs_once_a_process(make, tmp_path):
    source = LINEAR + f"with open({str(tmp_path / 'runs')!r}, 'a') as runs: runs.write('x')"

    assert make(source).weights != make(source).weights
    assert import_file(tmp_path / "net.py") is import_file(tmp_path / "net.py")
    assert (tmp_path / "runs").read_text() == "x"


def test_files_of_the_same_name_are_different_modules(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "net.py").write_text(f"{name} = 1")

    assert hasattr(import_file(tmp_path / "b" / "net.py"), "b")
    assert hasattr(import_file(tmp_path / "a" / "net.py"), "a")


def test_a_file_that_failed_runs_again_once_it_is_mended(make):
    with pytest.raises(ValueError, match="SyntaxError"):
        make("def make(:")

    assert make(LINEAR).params == 8


@pytest.mark.parametrize("save", [torch.save, save_file])
def test_weights_fill_the_architecture(tmp_path, save):
    (tmp_path / "net.py").write_text(LINEAR)
    trained = nn.Linear(3, 2)
    save(trained.state_dict(), tmp_path / "Trained.bin")

    subject = load(ModelSpec.parse("Trained.bin", tmp_path), "net.py:make", tmp_path, Terms((3,), 10))

    assert (subject.name, subject.training) == ("trained", "as-is")
    assert torch.equal(subject.module.weight, trained.weight)
    assert subject.weights == hash_weights(trained)


def test_weights_alone_are_reported_with_their_first_tensor(fill):
    with pytest.raises(ValueError, match=r"weights only \(2 tensors, first weight \[2, 3\]\).*--robust-arch="):
        fill(nn.Linear(3, 2), None)


def test_an_empty_state_dict_alone_is_reported(fill):
    with pytest.raises(ValueError, match=r"weights only \(0 tensors\)"):
        fill(nn.ReLU(), None)


def test_weights_alone_have_no_architecture(fill, tmp_path):
    fill(nn.Linear(3, 2), "net.py:make")

    with pytest.raises(ValueError, match=r"^holds weights only; name the architecture with --robust-arch"):
        get_builder(ModelSpec.parse("w.pt", tmp_path), None, tmp_path, Terms((3,), 10))


def test_a_network_of_its_own_says_that_the_architecture_is_not_used(tmp_path):
    torch.save(nn.Linear(3, 2), tmp_path / "full.pt")
    spec = ModelSpec.parse("full.pt", tmp_path)
    terms = Terms((3,), 10, Permissions(safe_globals=("torch.nn.modules.linear.Linear",), folder=tmp_path))

    told = "it holds a network of its own, and the architecture net.py:make is not used"
    assert told in load(spec, "net.py:make", tmp_path, terms).notes
    assert told not in load(spec, None, tmp_path, terms).notes


def test_weights_that_do_not_fit_are_reported_with_the_architecture(fill):
    with pytest.raises(ValueError, match=r"1 of another shape .*; the architecture is --robust-arch=net\.py:make$"):
        fill(nn.Linear(4, 2), "net.py:make")


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ("nope.py:make", "no such file"),
        ("net.py", "name the function or class"),
        ("net.py:3", "name the function or class"),
        ("w.pt", "expected|write|name"),
    ],
)
def test_a_wrong_architecture_is_blamed_on_its_option(fill, arch, message):
    with pytest.raises(ValueError, match=f"^--robust-arch={arch}: .*({message})"):
        fill(nn.Linear(3, 2), arch)


def test_an_architecture_that_is_not_there_is_reported_with_those_that_are(fill):
    with pytest.raises(ValueError, match=r"^--robust-arch=net.py:mak: .*did you mean 'make'"):
        fill(nn.Linear(3, 2), "net.py:mak")


def test_an_architecture_of_torchvision_has_as_many_classes_as_the_data(fill, tmp_path):
    trained = torchvision_compat.import_torchvision("torchvision.models").resnet18(num_classes=3)

    assert fill(trained, "torchvision:resnet18", classes=3).weights == hash_weights(trained)
    with pytest.raises(ValueError, match=r"of another shape \(fc\.bias \[3\] in the file, \[4\] in the model"):
        fill(trained, "torchvision:resnet18", classes=4)


@pytest.mark.parametrize(
    ("name", "message"),
    [("resnet81", r"'resnet81', did you mean 'resnet\d+'\?"), ("", r"''. Known: .*\.\.\. \(\d+\)"), ("ops", "'ops'")],
)
def test_a_model_that_torchvision_has_not_is_reported_with_the_nearest(fill, name, message):
    with pytest.raises(ValueError, match=f"torchvision has no classifier {message}"):
        fill(nn.Linear(3, 2), f"torchvision:{name}")


@pytest.mark.parametrize(
    "source",
    [
        "import sys\n{once}\n" + LINEAR,
        "import sys\nfrom torch import nn\ndef make():\n    {once}\n    return nn.Linear(3, 2)",
    ],
    ids=["file", "factory"],
)
def test_a_file_that_meets_the_missing_operators_is_given_them(make, monkeypatch, source):
    registered = []
    monkeypatch.setattr(torchvision_compat, "_register_schemas", lambda: registered.append(1))
    monkeypatch.setattr(sys, "operators", registered, raising=False)

    make(source.format(once=f"if not sys.operators: raise RuntimeError({torchvision_compat.SYMPTOM!r})"))

    assert registered == [1]
