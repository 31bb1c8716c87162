"""Files of safetensors are known by their header: every length of a header, and no pickle."""

import json
import os
import pickle

import pytest
import torch
from safetensors.torch import load

from robust.models.format import FORMATS, Source, Terms, read_model
from robust.models.permissions import Permissions
from tests.models.hostile import to_legacy, to_zip

TENSOR = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
NUMBERS = torch.tensor([1.0, 2.0]).numpy().tobytes()


def with_header(length, header=TENSOR, numbers=NUMBERS):
    """Return a safetensors file whose header is so long."""
    return length.to_bytes(8, "little") + json.dumps(header).encode().ljust(length) + numbers


def formats_of(path):
    source = Source.of(path)
    return [name for name in FORMATS.names() if FORMATS.get(name).matches(source)]


# All that begin as a pickle does, of every protocol; as an ONNX graph; and one of each remainder.
LENGTHS = [
    *range(128, 2**13, 256),
    *(0x80 + 256 * protocol + 2**16 * k for protocol in range(6) for k in (1, 7)),
    *(0x08 + 256 * version + 2**16 * key for version in (1, 8, 63) for key in (0x12, 0x1A, 0x72)),
    *range(2**10, 2**10 + 256),
]


def test_a_header_of_every_length_is_one_of_safetensors(tmp_path):
    path = tmp_path / "file"
    for length in LENGTHS:
        path.write_bytes(with_header(length))
        assert formats_of(path) == ["safetensors"], length


@pytest.mark.parametrize("length", [1400, 1408, 0x80 + 256 * 4, 0x120108])
def test_its_tensors_are_read_without_running_what_it_may_hold(tmp_path, length):
    (tmp_path / "file").write_bytes(with_header(length))

    read = read_model(tmp_path / "file", Terms(permissions=Permissions(code=(str(tmp_path / "file"),))))

    assert read.content["w"].tolist() == load(with_header(length))["w"].tolist() == [1, 2]


@pytest.mark.parametrize("length", [1400, 1408])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[:700],
        lambda content: content + b"x",
        lambda content: content.replace(b"F32", b"F3x"),
        lambda content: content.replace(b"[2]", b"[3]"),
        lambda content: content.replace(b"[0, 8]", b"[0, 9]"),
        lambda content: content.replace(b"}", b"]"),
        lambda content: content + pickle.dumps({}),
    ],
    ids=["last byte", "half", "one byte more", "type", "shape", "offsets", "brackets", "pickle behind"],
)
def test_a_damaged_one_is_called_so(tmp_path, length, damage):
    (tmp_path / "file").write_bytes(damage(with_header(length)))

    with pytest.raises(ValueError, match=r"^is not a sound safetensors file: .+$"):
        read_model(tmp_path / "file", Terms())


class Call:
    """An object whose unpickling makes a folder."""

    def __init__(self, marker):
        self.called = os.mkdir, (str(marker),)

    def __reduce__(self):
        return self.called


def polyglot(marker):
    """Return a sound safetensors file that is a pickle, too: one of a text, which is the header, and of a payload."""
    payload = b"\n0" + pickle.dumps(Call(marker), 2)[2:]
    header = {"w": {"dtype": "U8", "shape": [len(payload)], "data_offsets": [0, len(payload)]}}
    return with_header(int.from_bytes(b"\x80\x02V", "little"), header, payload)


def test_what_is_both_is_read_as_safetensors(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(polyglot(tmp_path / "marker"))

    assert formats_of(path) == ["safetensors"]
    assert bytes(read_model(path, Terms(permissions=Permissions(code=(str(path),)))).content["w"])[:2] == b"\n0"
    assert not (tmp_path / "marker").exists()
    pickle.loads(path.read_bytes())
    assert (tmp_path / "marker").exists()


def test_a_pickle_whose_first_bytes_are_those_of_a_header_is_a_pickle(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"\x80\x02V\0\0\0\0\0{}\n0" + pickle.dumps({"w": torch.ones(2)}, 2)[2:])

    assert formats_of(path) == ["torch-save"]


@pytest.mark.parametrize("protocol", range(2, 6))
def test_no_pickle_of_weights_is_taken_for_safetensors(tmp_path, protocol):
    path = tmp_path / "file"
    for k in range(12):
        name = "x" * k + "{" * 9
        content = {name: torch.ones(2)}
        for written in (pickle.dumps(content, protocol), to_legacy(content), to_zip(content)):
            path.write_bytes(written)
            assert formats_of(path) == ["torch-save"]
