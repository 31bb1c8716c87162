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
def test_a_missing_file_is_reported_with_the_place_that_was_looked_at(folder, text):
    with pytest.raises(ValueError, match="no such file") as error:
        ModelSpec.parse(text, folder)

    assert str(folder / text.removesuffix(":make")) in str(error.value)


@pytest.mark.parametrize("text", ["models", "", "."])
def test_a_folder_is_no_model(folder, text):
    with pytest.raises(ValueError, match="is a folder"):
        ModelSpec.parse(text, folder)


@pytest.mark.parametrize("text", ["net.py", "net.py:", "net.py:9", "net.py::make", "net.py:a.b", "net.py:a b"])
def test_a_python_file_without_a_proper_factory_is_reported_how_to_name_one(folder, text):
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
        (
            "timm:vit_tiny_patch16_224(img_size=32)",
            ("vit_tiny_patch16_224", (), (("img_size", 32),)),
            "timm:vit_tiny_patch16_224-img_size32",
        ),
    ],
)
def test_an_architecture_of_a_library_has_its_word_for_a_path(folder, text, called, path):
    spec = ModelSpec.parse(text, folder)

    assert (spec.library, (spec.factory, spec.args, spec.options)) == (path.partition(":")[0], called)
    assert (spec.path, spec.name, spec.plain) == (Path(path), path.partition(":")[2], True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zoo:wideresnt-28-10", "'wideresnt', did you mean 'wideresnet'?"),
        ("zoo:preactresnet-18", "'preactresnet', did you mean 'preactresnet18'?"),
        ("zoo:cnn-", "'cnn-', did you mean 'cnn'?"),
        ("zoo:28-10", "'28'. Known: cnn, "),
        ("zoo:", "''. Known: cnn, "),
    ],
)
def test_what_the_zoo_has_not_is_reported_with_the_nearest(folder, text, message):
    with pytest.raises(LookupError, match=f"^unknown architecture {re.escape(message)}"):
        ModelSpec.parse(text, folder)


def test_a_file_called_as_a_library_is_a_file(folder):
    (folder / "zoo.py").touch()
    (folder / "torchvision").touch()

    assert ModelSpec.parse("zoo.py:make", folder).path == folder / "zoo.py"
    assert ModelSpec.parse("torchvision", folder).path == folder / "torchvision"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ensemble:My Net.PT,w.v2.safetensors", "my_net+w.v2"),
        ("ensemble:net.py:make(width=2, depth=1), net.py:wide", "net-width2-depth1+net-wide"),
        ("ensemble:zoo:cnn,http://a.example/predict#rate=5", "cnn+a.example_predict"),
    ],
)
def test_an_ensemble_is_called_after_its_members(folder, text, name):
    spec = ModelSpec.parse(text, folder)

    assert (spec.name, spec.path, len(spec.members)) == (name, Path(f"ensemble:{name}"), 2)
    assert spec.files == tuple(member.path for member in spec.members if member.factory is None)
    assert spec.answers == ("http" in text)


@pytest.mark.parametrize("text", ["ensemble:", "ensemble:net.py:make", "ensemble:net.py:make,ensemble:w.pt,w.pt"])
def test_an_ensemble_of_fewer_or_of_ensembles_is_refused(folder, text):
    with pytest.raises(ValueError, match=r"two models or more|no such file|is a folder"):
        ModelSpec.parse(text, folder)


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [
        ("http://127.0.0.1:8000/predict#rate=5", "127.0.0.1_8000_predict", "http:127.0.0.1_8000_predict"),
        ("https://a.example/v1?key=b", "a.example_v1", "http:a.example_v1"),
        ("blackbox:net.py:make", "net", None),
        ("blackbox:net.py:wide(2)", "net-wide-2", None),
    ],
)
def test_what_only_answers_is_known_by_its_word(folder, text, name, path):
    spec = ModelSpec.parse(text, folder)

    assert (spec.answers, spec.name, spec.text) == (True, name, text)
    assert spec.path == (folder / "net.py" if path is None else Path(path))


@pytest.mark.parametrize("text", ["blackbox:zoo:cnn", "blackbox:w.v2.safetensors"])
def test_what_has_a_gradient_is_no_black_box(folder, text):
    with pytest.raises(ValueError, match=r"as blackbox:forest\.py:make$"):
        ModelSpec.parse(text, folder)


def test_a_folder_of_transformers_is_a_model(folder):
    (folder / "models" / "config.json").touch()

    assert (ModelSpec.parse("models", folder).name, ModelSpec.parse("models", folder).factory) == ("models", None)


def test_no_model_goes_without_a_name(folder):
    assert ModelSpec.parse("模型.pt", folder).name


def test_reading_a_word_imports_no_torch():
    code = "import robust.models.spec, sys; assert not {'torch', 'numpy'} & set(sys.modules)"

    subprocess.run([sys.executable, "-c", code], check=True)
