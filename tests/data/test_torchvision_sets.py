"""mnist, cifar10 and cifar100 in torchvision's files, and their download."""

import functools
import gzip
import hashlib
import http.server
import pickle
import tarfile
import threading

import numpy as np
import pytest

from robust.data import torchvision_sets
from robust.data.dataset import DATA, NotHereError
from robust.torchvision_compat import import_torchvision
from tests.plugin.conftest import UNCHECKED

N = 20
PIXELS = np.random.RandomState(0).randint(0, 256, (N, 28, 28)).astype(np.uint8)
COLOURS = np.random.RandomState(1).randint(0, 256, (N, 3, 32, 32)).astype(np.uint8)
LABELS = (np.arange(N) % 10).astype(np.uint8)


def idx(kind):
    """Return a file of MNIST's format."""
    array = PIXELS if kind == "images" else LABELS
    head = bytes((0, 0, 8, array.ndim)) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return head + array.tobytes()


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Return the only folder that is searched."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ROBUST_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def md5(content):
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Serve MNIST's files on this machine."""
    folder = tmp_path / "served"
    folder.mkdir()
    resources = []
    for part in ("train", "t10k"):
        for kind in ("images", "labels"):
            name = f"{part}-{kind}-idx{3 if kind == 'images' else 1}-ubyte.gz"
            (folder / name).write_bytes(gzip.compress(idx(kind)))
            resources.append((name, md5((folder / name).read_bytes())))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    mnist = import_torchvision("torchvision.datasets").MNIST
    monkeypatch.setattr(mnist, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr(mnist, "resources", resources)
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ["mnist", "cifar10", "cifar100"])
def test_what_is_not_on_this_machine_is_reported_with_how_to_get_it(root, name):
    with pytest.raises(NotHereError, match=r"is not on this machine .*--robust-download"):
        DATA.get(name).read("test")


def test_a_downloaded_data_set_is_read(root, served):
    DATA.get("mnist").fetch()
    x, y = DATA.get("mnist").read("test")

    assert np.array_equal(x, (PIXELS[:, None] / np.float32(255)).astype(np.float32))
    assert np.array_equal(y, LABELS)
    assert (root / "MNIST" / "raw").is_dir()


def test_a_download_that_fails_is_one_line(root, served):
    served.shutdown()
    served.server_close()

    with pytest.raises(NotHereError, match=r"MNIST could not be downloaded to .*data: "):
        torchvision_sets.fetch("MNIST")


def test_a_run_downloads_where_it_is_allowed_to(root, served, pytester):
    pytester.makepyfile(
        net="from torch import nn\n\ndef make(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))"
    )
    args = ("-p", "no:benchmark", "--robust-model=net.py:make", "--robust-data=mnist", "--robust-samples=10", UNCHECKED)
    refused = pytester.runpytest_inprocess(*args)
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["ERROR: --robust-data=mnist: MNIST is not on this machine*--robust-download*"])

    pytester.runpytest_inprocess(*args, "--robust-download").assert_outcomes(passed=3)
    served.shutdown()
    pytester.runpytest_inprocess(*args, "--robust-download").assert_outcomes(passed=3)


@pytest.mark.parametrize(("name", "kind"), [("cifar10", "CIFAR10"), ("cifar100", "CIFAR100")])
def test_cifar_is_read_as_torchvision_keeps_it(root, monkeypatch, name, kind):
    cls = getattr(import_torchvision("torchvision.datasets"), kind)
    key = "labels" if kind == "CIFAR10" else "fine_labels"
    folder = root / cls.base_folder
    folder.mkdir(parents=True)
    content = pickle.dumps({"data": COLOURS.reshape(N, -1), key: LABELS.tolist()})
    meta = pickle.dumps({cls.meta["key"]: [str(i) for i in range(100)]})
    for list_ in ("train_list", "test_list"):
        names = [file for file, _ in getattr(cls, list_)]
        monkeypatch.setattr(cls, list_, [[file, md5(content)] for file in names])
        for file in names:
            (folder / file).write_bytes(content)
    (folder / cls.meta["filename"]).write_bytes(meta)
    monkeypatch.setattr(cls, "meta", {**cls.meta, "md5": md5(meta)})

    x, y = DATA.get(name).read("test")
    assert np.array_equal(x, (COLOURS / np.float32(255)).astype(np.float32))
    assert np.array_equal(y, LABELS)
    assert not tarfile.is_tarfile(folder / names[0])


@pytest.mark.parametrize(
    ("name", "classes", "shape"),
    [("mnist", 10, (1, 28, 28)), ("cifar10", 10, (3, 32, 32)), ("cifar100", 100, (3, 32, 32))],
)
def test_what_a_data_set_declares(name, classes, shape):
    data = DATA.get(name)

    assert (data.classes, data.shape, data.lo, data.hi) == (classes, shape, 0.0, 1.0)
