import functools
import gzip
import hashlib

import numpy as np
import pytest

from robust.attacks.grammar.norms import parse_threat
from robust.data.dataset import DATA
from robust.data.sets import fashion_mnist

every_set = pytest.mark.parametrize("name", ["digits", "fashion-mnist"])  # what the tests can have
every_split = pytest.mark.parametrize("split", ["train", "test"])


@functools.cache
def _load(name, split):
    return DATA.get(name).load(split)


def load(name, split):
    try:
        return _load(name, split)
    except LookupError as error:
        if "not on this machine" not in str(error):
            raise
        pytest.skip(str(error))


@every_set
def test_a_data_set_is_declared_under_its_name_with_a_threat(name):
    declared = DATA.get(name)

    assert declared.name == name
    assert parse_threat(declared.threat)[1] < declared.hi - declared.lo


@every_set
@every_split
def test_inputs_have_the_declared_shape_and_type(name, split):
    x = load(name, split).x

    assert x.shape == (len(x), *DATA.get(name).shape)
    assert x.dtype == np.float32
    assert x.flags.writeable  # torch warns of others


@every_set
@every_split
def test_inputs_fill_the_declared_bounds(name, split):
    x = load(name, split).x

    assert (x.min(), x.max()) == (DATA.get(name).lo, DATA.get(name).hi)


@every_set
@every_split
def test_labels_are_all_the_declared_classes_and_nothing_else(name, split):
    y = load(name, split).y

    assert y.dtype == np.int64
    assert np.unique(y).tolist() == list(range(DATA.get(name).classes))


@every_set
@every_split
def test_samples_are_numbered_in_order(name, split):
    samples = load(name, split)

    assert samples.index.dtype == np.int64
    assert samples.index.tolist() == list(range(len(samples.y)))


def rows(samples):
    return {row.tobytes() for row in samples.x}


def test_no_digit_for_testing_is_a_digit_for_training():
    assert rows(load("digits", "train")).isdisjoint(rows(load("digits", "test")))


@pytest.mark.parametrize(("split", "mine"), [("train", np.arange(1797) % 3 != 2), ("test", np.arange(1797) % 3 == 2)])
def test_digits_are_those_of_scikit_learn_split_by_every_third(split, mine):
    from sklearn.datasets import load_digits

    original, samples = load_digits(), load("digits", split)

    assert np.array_equal(samples.x[:, 0] * 16, original.images[mine])
    assert np.array_equal(samples.y, original.target[mine])


@pytest.mark.parametrize(
    ("name", "split", "n", "digest"),
    [
        ("digits", "train", 1198, "c55705f2"),
        ("digits", "test", 599, "27c20ca1"),
        ("fashion-mnist", "test", 10000, "6292b50f"),
    ],
)
def test_a_split_is_the_same_in_every_version(name, split, n, digest):
    samples = load(name, split)

    assert (len(samples), samples.digest[:8]) == (n, digest)


def test_fashion_mnist_has_as_many_images_of_every_class():
    assert np.bincount(load("fashion-mnist", "test").y).tolist() == [1000] * 10


# Two images for training and one for testing, in the form of the published files.
CONTENT = {
    "train-images-idx3-ubyte": bytes(16) + bytes(range(196)) * 8,
    "train-labels-idx1-ubyte": bytes(8) + bytes([9, 0]),
    "t10k-images-idx3-ubyte": bytes(16) + bytes([0, 255]) * 392,
    "t10k-labels-idx1-ubyte": bytes(8) + bytes([7]),
}


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """Return a searched folder for files that pass as the published ones if they hold CONTENT."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    monkeypatch.setattr(fashion_mnist, "CONTENT", hashes)
    monkeypatch.setattr(fashion_mnist, "_folders", lambda: [tmp_path / "nowhere", tmp_path])
    return tmp_path


def put(folder, name, content, packed):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_fashion_mnist_is_read_from_plain_and_packed_files(raw, packed):
    for name, content in CONTENT.items():
        put(raw, name, content, packed)

    x, y = fashion_mnist.read("train")
    assert (x.shape, y.tolist()) == ((2, 1, 28, 28), [9, 0])
    assert np.array_equal(x.reshape(-1), np.tile(np.arange(196, dtype=np.float32) / np.float32(255), 8))
    x, y = fashion_mnist.read("test")
    assert (x.shape, y.tolist(), x.max()) == ((1, 1, 28, 28), [7], 1)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("name", CONTENT)
def test_a_changed_file_is_refused_by_its_path(raw, name, packed):
    for other, content in CONTENT.items():
        put(raw, other, content[:-1] + b"\x01" if other == name else content, packed)

    with pytest.raises(LookupError, match=f"{raw / name}.* is not the published file"):
        fashion_mnist.read("train" if name.startswith("train") else "test")


@pytest.mark.parametrize(
    "damage",
    [
        lambda gz: gz[:-9],
        lambda gz: gz[:20] + b"x" + gz[21:],
        lambda gz: b"x" + gz,
        lambda gz: b"",
        lambda gz: gz + b"x",
    ],
    ids=["short", "changed", "shifted", "empty", "long"],
)
def test_a_damaged_packed_file_is_refused_by_its_path(raw, damage):
    for name, content in CONTENT.items():
        put(raw, name, content, packed=True)
    path = raw / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(LookupError, match=f"{path} is not the published file"):
        fashion_mnist.read("train")


def test_files_that_are_missing_are_reported_with_where_they_were_looked_for(raw):
    with pytest.raises(LookupError, match="dataset-fashion-mnist") as error:
        fashion_mnist.read("test")

    assert f"looked in {raw / 'nowhere'}, {raw}" in str(error.value)


def test_the_root_that_was_given_to_torchvision_is_looked_in(tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUST_DATA", str(tmp_path))

    assert tmp_path / "FashionMNIST" / "raw" in fashion_mnist._folders()


def test_the_published_files_are_where_debian_puts_them():
    assert str(fashion_mnist._folders()[0]) == "/usr/share/datasets/fashion-mnist"
