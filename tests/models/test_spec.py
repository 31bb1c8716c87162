import re
import subprocess
import sys
from pathlib import Path

import pytest

from robust.models.spec import ModelSpec


@pytest.fixture
def folder(tmp_path):
    for name in ("net.py", "My Net.PT", "w.v2.safetensors", "模型.pt"):
        (tmp_path / name).touch()
    (tmp_path / "models").mkdir()
    return tmp_path


@pytest.mark.parametrize("factory", ["make", "Net", "_private", "größe"])
def test_a_python_file_comes_with_its_factory(folder, factory):
    assert ModelSpec.parse(f"net.py:{factory}", folder) == ModelSpec(f"net.py:{factory}", folder / "net.py", factory)


@pytest.mark.parametrize("name", ["My Net.PT", "w.v2.safetensors"])
def test_any_other_file_is_a_file_of_weights(folder, name):
    assert ModelSpec.parse(name, folder) == ModelSpec(name, folder / name, None)


def test_the_path_is_absolute_however_it_was_written(folder):
    written = [f"{folder}/net.py:make", "models/../net.py:make", "./net.py:make"]

    assert {ModelSpec.parse(text, folder).path for text in written} == {folder / "net.py"}


@pytest.mark.parametrize("text", ["nope.py:make", "nope.pt", "net.py/make"])
def test_a_missing_file_is_told_with_the_place_that_was_looked_at(folder, text):
    with pytest.raises(ValueError, match="no such file") as error:
        ModelSpec.parse(text, folder)

    assert str(folder / text.removesuffix(":make")) in str(error.value)


@pytest.mark.parametrize("text", ["models", "", "."])
def test_a_folder_is_no_model(folder, text):
    with pytest.raises(ValueError, match="is a folder"):
        ModelSpec.parse(text, folder)


@pytest.mark.parametrize("text", ["net.py", "net.py:", "net.py:9", "net.py::make", "net.py:a.b", "net.py:a b"])
def test_a_python_file_without_a_proper_factory_is_told_how_to_name_one(folder, text):
    with pytest.raises(ValueError, match=r"as net\.py:make$"):
        ModelSpec.parse(text, folder)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("net.py:make", "net"),
        ("net.py:wide", "net-wide"),
        ("net.py:WideNet", "net-widenet"),
        ("My Net.PT", "my_net"),
        ("w.v2.safetensors", "w.v2"),
    ],
)
def test_a_model_is_called_after_its_file_and_factory(folder, text, name):
    assert ModelSpec.parse(text, folder).name == name


@pytest.mark.parametrize(
    ("text", "called", "path"),
    [
        ("zoo:cnn", ("cnn", (), ()), "zoo:cnn"),
        ("zoo:cnn()", ("cnn", (), ()), "zoo:cnn"),
        ("zoo:mlp(8, depth=3)", ("mlp", (8,), (("depth", 3),)), "zoo:mlp-8-depth3"),
        ("zoo:wideresnet-28-10", ("wideresnet", (28, 10), ()), "zoo:wideresnet-28-10"),
        ("zoo:wideresnet-28(width=2)", ("wideresnet", (28,), (("width", 2),)), "zoo:wideresnet-28-width2"),
        ("zoo:preactresnet18(skip=False)", ("preactresnet18", (), (("skip", False),)), "zoo:preactresnet18-skipfalse"),
        ("torchvision:resnet18", ("resnet18", (), ()), "torchvision:resnet18"),
        ("torchvision:nosuch", ("nosuch", (), ()), "torchvision:nosuch"),
    ],
)
def test_an_architecture_of_a_library_has_its_word_for_a_path(folder, text, called, path):
    spec = ModelSpec.parse(text, folder)

    assert (spec.library, (spec.factory, spec.args, spec.options)) == (path.partition(":")[0], called)
    assert (spec.path, spec.name, spec.plain) == (Path(path), path.partition(":")[2], True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("zoo:wideresnt-28-10", "'wideresnt', did you mean 'wideresnet'?"),
        ("zoo:preactresnet-18", "'preactresnet', did you mean 'preactresnet18'?"),
        ("zoo:cnn-", "'cnn-', did you mean 'cnn'?"),
        ("zoo:28-10", "'28'. Known: cnn, "),
        ("zoo:", "''. Known: cnn, "),
    ],
)
def test_what_the_zoo_has_not_is_told_with_the_nearest(folder, text, told):
    with pytest.raises(LookupError, match=f"^unknown architecture {re.escape(told)}"):
        ModelSpec.parse(text, folder)


def test_a_file_called_as_a_library_is_a_file(folder):
    (folder / "zoo.py").touch()
    (folder / "torchvision").touch()

    assert ModelSpec.parse("zoo.py:make", folder).path == folder / "zoo.py"
    assert ModelSpec.parse("torchvision", folder).path == folder / "torchvision"


def test_no_model_goes_without_a_name(folder):
    assert ModelSpec.parse("模型.pt", folder).name


def test_reading_a_word_imports_no_torch():
    code = "import robust.models.spec, sys; assert not {'torch', 'numpy'} & set(sys.modules)"

    subprocess.run([sys.executable, "-c", code], check=True)
