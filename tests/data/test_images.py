"""Untrusted images: a damaged one is reported in one line, and costs no memory."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from robust.data.factory import open_data


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def header(width, height):
    """Return the first bytes of an image of two colours."""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))


def png(width, height):
    """Return a black image of two colours, packed to a two-hundredth."""
    return header(width, height) + chunk(b"IDAT", zlib.compress(bytes((width // 8 + 1) * height), 1))


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\n"

HOSTILE = {
    "a bomb that Pillow warns of": (lambda: png(10_000, 10_000), "exceeds limit of 89478485 pixels"),
    "a bomb": (lambda: png(20_000, 20_000), "exceeds limit of 178956970 pixels"),
    "claims alone": (lambda: header(2**31 - 1, 8) + chunk(b"IDAT", bytes(8)), "exceeds limit"),
    "a program": (lambda: EPS, "cannot identify image file"),
    "cut": (lambda: png(64, 64)[:50], "truncated"),
    "nothing": (lambda: b"", "cannot identify image file"),
}


@pytest.fixture
def folder(tmp_path):
    """Write the first of three images, and open the folder."""

    def write(content, name="0.png"):
        for where in "ab":
            (tmp_path / "pets" / where).mkdir(parents=True)
            Image.new("RGB", (64, 64)).save(tmp_path / "pets" / where / "9.png")
        (tmp_path / "pets" / "a" / name).write_bytes(content)
        return open_data("imagefolder:pets:size=8", tmp_path)

    return write


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_image_is_refused_in_one_line(folder, name):
    write, message = HOSTILE[name]

    with pytest.raises(ValueError, match=rf"0\.png is not a sound image: .*{message}") as error:
        folder(write()).load("test")
    assert str(error.value).isprintable()


def test_a_name_is_shown_without_what_a_terminal_obeys(folder):
    with pytest.raises(ValueError, match=r"a.\?\[2J\.png is not a sound image") as error:
        folder(b"", "\x1b[2J.png").load("test")
    assert "\x1b" not in str(error.value)


def test_a_image_that_would_be_clipped_is_refused(folder, tmp_path):
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(tmp_path / "deep.png")

    with pytest.raises(ValueError, match="more than 8 bits a channel, and would be clipped; convert it"):
        folder((tmp_path / "deep.png").read_bytes()).load("test")
