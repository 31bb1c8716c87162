import io
import os
import pickle
import random
import re
import warnings
import zipfile

import pytest
import torch
from safetensors.torch import save as to_safetensors
from torch import nn

from robust.models.checkpoint import read_weights


def to_zip(thing):
    file = io.BytesIO()
    torch.save(thing, file)
    return file.getvalue()


def to_legacy(thing):
    file = io.BytesIO()
    torch.save(thing, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def to_archive(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


PICKLED = [to_zip, to_legacy]
FORMATS = [to_safetensors, *PICKLED]


def weights():
    return {
        "conv.weight": torch.arange(12.0).reshape(2, 1, 2, 3),
        "conv.bias": torch.tensor([0.1, -2.5], dtype=torch.bfloat16),
        "norm.num_batches_tracked": torch.tensor(7),
        "none": torch.zeros(0, 3),
    }


class Bomb:
    """An object whose unpickling makes a folder."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def refusal(path):
    """Return the message about a refused file, a ValueError of one line."""
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the callers look at the message
        read_weights(path)
    assert error.type is ValueError
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


@pytest.mark.parametrize("write", FORMATS)
def test_weights_come_back_as_they_were_saved(file, write):
    found = read_weights(file(write(weights())))

    assert found.keys() == weights().keys()
    for name, tensor in weights().items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


@pytest.mark.parametrize("write", PICKLED)
def test_the_state_dict_of_a_module_comes_back_in_its_order(file, write):
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))

    assert list(read_weights(file(write(module.state_dict())))) == list(module.state_dict())


@pytest.mark.parametrize("name", ["model.safetensors", "model.pt", "model.bin", "model.txt", "model"])
@pytest.mark.parametrize("write", FORMATS)
def test_the_content_tells_the_format_whatever_the_suffix(file, write, name):
    assert read_weights(file(write(weights()), name)).keys() == weights().keys()


def test_the_bomb_goes_off_where_a_pickle_is_loaded_in_full(tmp_path):
    pickle.loads(pickle.dumps(Bomb(tmp_path / "marker")))

    assert (tmp_path / "marker").exists()


@pytest.mark.parametrize("thing", [lambda bomb: bomb, lambda bomb: {**weights(), "x": bomb}], ids=["bare", "hidden"])
@pytest.mark.parametrize("write", PICKLED)
def test_a_forged_pickle_is_refused_by_name_and_not_run(file, tmp_path, write, thing):
    message = refusal(file(write(thing(Bomb(tmp_path / "marker")))))

    assert "mkdir" in message
    assert "torch.save(model.state_dict()" in message
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_plain_pickle_is_refused_and_not_run(file, tmp_path, protocol):
    assert refusal(file(pickle.dumps({"weight": Bomb(tmp_path / "marker")}, protocol=protocol)))
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("write", PICKLED)
def test_no_environment_variable_opens_the_door(file, tmp_path, monkeypatch, write):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")

    assert refusal(file(write(Bomb(tmp_path / "marker"))))
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("write", PICKLED)
def test_a_whole_module_is_refused_by_name(file, write):
    message = refusal(file(write(nn.Sequential(nn.Linear(3, 2)))))

    assert "torch.nn.modules." in message
    assert "torch.save(model.state_dict()" in message


def test_a_scripted_module_is_refused_as_a_program(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(nn.Linear(3, 2)).save(tmp_path / "scripted")

    assert "TorchScript" in refusal(tmp_path / "scripted")


def test_an_exported_program_is_refused_as_a_program(file):
    assert "torch.export" in refusal(file(to_archive({"m/archive_format": "pt2", "m/models/model.json": "{}"})))


@pytest.mark.parametrize("write", PICKLED)
@pytest.mark.parametrize(
    ("thing", "message"),
    [
        ({"states": weights(), "before": weights()}, "states, before"),
        ({"state_dict": {"weight": torch.ones(2), "lr": 0.1}}, "weight, lr"),
        ({"weight": torch.ones(2), "lr": 0.1}, "weight, lr"),
        ([torch.ones(2)], "list"),
        (torch.ones(2), "Tensor"),
        (None, "NoneType"),
    ],
    ids=["unknown", "mixed inside", "mixed", "list", "tensor", "none"],
)
def test_what_is_no_state_dict_is_reported(file, write, thing, message):
    assert re.search(
        rf"{message}, not a (plain )?state dict; save only model\.state_dict\(\)", refusal(file(write(thing)))
    )


@pytest.mark.parametrize("write", PICKLED)
def test_weights_without_names_are_no_state_dict(file, write):
    assert "state dict" in refusal(file(write({0: torch.ones(2)})))


OTHER = {
    "empty": b"",
    "one byte": b"\x80",
    "a plain pickle": b"\x80\x02}q\x00.",
    "pickle markers": b"\x80" * 100,
    "a zip marker": b"PK\x03\x04",
    "text": b"weights\n",
    "random": random.Random(0).randbytes(2000),
    "random after a pickle marker": b"\x80\x02" + random.Random(1).randbytes(2000),
    "braces": (9).to_bytes(8, "little") + b"{" * 100,
    "a header longer than the file": (2**62).to_bytes(8, "little") + b"{}",
    "an empty zip": to_archive({}),
    "a zip of text": to_archive({"a.txt": "hello"}),
    "a zip without a pickle": to_archive({"m/version": "3", "m/data.pkl": "hello"}),
    "a zip with an empty pickle": to_archive({"m/version": "3", "m/data.pkl": ""}),
    "a zip of a strange machine": to_archive({"m/version": "3", "m/data.pkl": b"\x80\x02}.", "m/byteorder": "middle"}),
}


@pytest.mark.parametrize("kind", OTHER)
def test_a_file_of_something_else_is_refused(file, kind):
    assert refusal(file(OTHER[kind]))


@pytest.mark.parametrize("write", FORMATS)
def test_a_truncated_file_is_refused_wherever_it_ends(file, write):
    content = write(weights())

    for size in range(0, len(content), 1 + len(content) // 100):
        assert refusal(file(content[:size])), size


@pytest.mark.parametrize("write", FORMATS)
def test_a_damaged_file_is_read_or_refused(file, write):
    dice, content = random.Random(0), write(weights())
    refused = 0
    for _ in range(200):
        damaged = bytearray(content)
        for _ in range(3):
            damaged[dice.randrange(len(content))] = dice.randrange(256)
        try:
            read_weights(file(damaged))
        except ValueError as error:
            assert type(error) is ValueError, error  # noqa: PT017 - some of the files are still sound
            assert len(str(error).splitlines()) == 1, error  # noqa: PT017
            refused += 1
    assert refused > 20


@pytest.mark.parametrize(
    "content",
    [
        to_zip({"a\n::error::b": 1}),
        to_zip({"a\x1b[2Jb": 1}),
        to_zip(nn.Linear(3, 2)).replace(b"torch.nn.modules.linear", b"torch.nn.modules\x1b[2Jear"),
    ],
    ids=["newline", "escape", "global"],
)
def test_a_file_does_not_write_its_own_lines_to_the_terminal(file, content):
    assert refusal(file(content)).isprintable()
