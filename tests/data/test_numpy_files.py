"""npy:DIR and npz:FILE: arrays of numpy, sound and damaged."""

import struct
import zipfile

import numpy as np
import pytest

from robust.data import numpy_files
from robust.data.factory import open_data

X = np.linspace(0, 1, 24, dtype=np.float32).reshape(6, 2, 2)
Y = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture
def npy(tmp_path):
    """Return a function that saves arrays into a folder and opens it."""

    def write(options="", **arrays):
        (tmp_path / "mine").mkdir(exist_ok=True)
        for name, array in arrays.items():
            np.save(tmp_path / "mine" / f"{name}.npy", array)
        return open_data(f"npy:mine{options}", tmp_path).complete()

    return write


@pytest.mark.parametrize("names", [("x", "y"), ("x_test", "y_test")])
@pytest.mark.parametrize("x", [X, (255 * X).astype(np.uint8), np.asfortranarray(X)], ids=["float", "uint8", "fortran"])
def test_a_folder_of_arrays_is_read_and_stays_on_the_disk(npy, names, x):
    data = npy(**dict(zip(names, (x, Y), strict=True)), x_train=X[:4], y_train=Y[:4])
    samples = data.load("test")

    assert (data.name, data.classes, data.shape, data.threat) == ("mine", 3, (2, 2), None)
    assert np.array_equal(samples.x, x.astype(np.float32) / np.float32(255 if x.dtype == np.uint8 else 1))
    assert samples.y.tolist() == Y.tolist()
    assert isinstance(data.read("test")[0]._source.base, np.memmap)
    assert len(data.load("train")) == 4


def test_bounds_are_the_users_to_tell(npy):
    assert npy(":lo=-1:hi=2:classes=7", x=2 * X - 0.5, y=Y).load("test").x.min() == -0.5


def header(shape, kind="<f4"):
    text = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


HOSTILE = {
    "empty": (b"", "is not a sound file"),
    "wrong magic": (b"GIF89a" + bytes(200), "magic"),
    "cut in the header": (header((2, 2))[:40], "is not a sound file"),
    "cut in the numbers": (header((6, 2)) + bytes(40), "48 bytes, and 40 are there"),
    "a terabyte": (header((2**38, 1)) + bytes(64), r"1099511627776 bytes, and 64 are there"),
    "more than can be counted": (header((2**62, 2**62)) + bytes(64), "bytes, and 64 are there"),
    "a negative side": (header((-1, -64)) + bytes(256), "its shape is"),
    "objects": (header((2,), "|O") + bytes(64), "Python objects, which are pickles and can run code"),
    "objects inside": (header((2,), [("a", "|O")]) + bytes(64), "Python objects"),
    "a shape that is code": (header("__import__('os').abort()") + bytes(64), "is not a sound file"),
    "a terminal's escape": (header((2, 2), "\x1b[2J") + bytes(64), "is not a sound file"),
}


@pytest.mark.parametrize("packed", [False, True], ids=["npy", "npz"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_array_is_refused_in_one_line(tmp_path, name, packed):
    content, message = HOSTILE[name]
    good = header((6,), "<i8") + Y.tobytes()
    if packed:
        word = "npz:bad.npz"
        with zipfile.ZipFile(tmp_path / "bad.npz", "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("x.npy", content)
            file.writestr("y.npy", good)
        message = message.replace("bytes, and", "bytes, and holds").replace(" are there", "")
    else:
        word = "npy:bad"
        (tmp_path / "bad").mkdir()
        (tmp_path / "bad" / "x.npy").write_bytes(content)
        (tmp_path / "bad" / "y.npy").write_bytes(good)

    with pytest.raises(ValueError, match=message) as error:
        open_data(word, tmp_path).complete()
    assert str(error.value).isprintable()


def test_a_bomb_is_refused_unopened(tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.npz", "w", zipfile.ZIP_DEFLATED) as file, file.open("x.npy", "w") as member:
        member.write(header((2**26 + 2**20, 1)))
        for _ in range(65):
            member.write(bytes(2**22))
    with zipfile.ZipFile(tmp_path / "bad.npz", "a") as file:
        file.writestr("y.npy", header((6,), "<i8") + Y.tobytes())

    with pytest.raises(ValueError, match=r"x\.npy unpacks to 272629888 bytes from"):
        open_data("npz:bad.npz", tmp_path).complete()


def test_names_in_a_file_are_shown_without_what_a_terminal_obeys(tmp_path):
    np.savez(tmp_path / "bad.npz", **{"\x1b[2Jx": X})

    with pytest.raises(ValueError, match=r"holds \?\[2Jx; expected") as error:
        open_data("npz:bad.npz", tmp_path).complete()
    assert "\x1b" not in str(error.value)


def test_large_arrays_of_a_file_stay_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(numpy_files, "SMALL", 64)
    np.savez(tmp_path / "stored.npz", x=X, y=Y, f=np.asfortranarray(X))
    np.savez_compressed(tmp_path / "packed.npz", x=X, y=Y, f=np.asfortranarray(X))

    for name, kind in (("stored.npz", np.memmap), ("packed.npz", np.ndarray)):
        x, y, f = numpy_files.read_arrays(tmp_path / name, ["x", "y", "f"])
        assert type(x) is kind
        assert all(np.array_equal(*pair) for pair in ((x, X), (y, Y), (f, X)))


def test_a_folder_without_the_arrays_is_reported(npy, tmp_path):
    with pytest.raises(ValueError, match=r"expected x_test\.npy and y_test\.npy or x\.npy and y\.npy in"):
        npy(x=X)
    with pytest.raises(ValueError, match="no such folder"):
        open_data("npy:gone", tmp_path)
    with pytest.raises(ValueError, match="write npy:DIR"):
        open_data("npy", tmp_path)
