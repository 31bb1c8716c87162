import subprocess
import sys

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


def test_no_model_goes_without_a_name(folder):
    assert ModelSpec.parse("模型.pt", folder).name


def test_reading_a_word_imports_no_torch():
    code = "import robust.models.spec, sys; assert not {'torch', 'numpy'} & set(sys.modules)"

    subprocess.run([sys.executable, "-c", code], check=True)
