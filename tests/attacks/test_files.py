"""Only regular files are read, whatever a name leads to."""

import os
import socket
import sys
from pathlib import Path

import pytest

from robust.attacks.files import UnfitFileError, open_regular, read_content, read_text, refuse_irregular
from robust.attacks.suite import read_suite
from robust.data.arrow_files import read_schema
from robust.data.images import ImageTransform, open_image
from robust.data.numpy_files import map_array, read_npz
from robust.models.format import Source
from robust.records.files import read_object, write
from robust.records.store import records
from robust.train.card import read_card
from robust.train.factory import read_recipe

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


def pipe(path):
    os.mkfifo(path)


def bind(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


KINDS = {
    "pipe": pipe,
    "socket": bind,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
    "link to a pipe": lambda path: (pipe(path.with_suffix(".pipe")), path.symlink_to(path.with_suffix(".pipe"))),
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_what_is_no_regular_file_is_refused(tmp_path, make, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(Path("file"))
    for read in (open_regular, read_content, read_text, refuse_irregular):
        with pytest.raises(UnfitFileError, match=r"file is (a|an) [a-z ]+, expected a regular file"):
            read(Path("file"))


def test_a_file_above_its_bound_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")

    assert read_content(tmp_path / "file", 5) == b"12345"
    with pytest.raises(UnfitFileError, match="file has 5 bytes, expected 4 at most"):
        read_content(tmp_path / "file", 4)


DOORS = {
    "suite.toml": lambda path: read_suite(path.name, path.parent),
    "picture.png": lambda path: open_image(path, ImageTransform(), False),
    "data.arrow": read_schema,
    "x.npy": map_array,
    "data.npz": lambda path: read_npz(path, [("x", "y")]),
    "weights.pt": Source.of,
    "results/row.json": lambda path: records(path.parent.parent),
    "config.toml": lambda path: read_recipe(f"standard:config={path}"),
    "README.md": lambda path: write(path, b""),
}


@pytest.mark.parametrize("make", [pipe, KINDS["device"]], ids=["pipe", "device"])
@pytest.mark.parametrize("name", DOORS)
def test_no_door_waits_for_a_pipe_or_reads_a_device(tmp_path, name, make):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    make(path)
    with pytest.raises((ValueError, OSError), match="expected a regular file"):
        DOORS[name](path)


def test_a_card_that_is_no_file_is_none(tmp_path):
    pipe(tmp_path / "net.json")

    assert read_object(tmp_path / "net.json") == {}
    assert read_card(tmp_path / "net.safetensors") is None
