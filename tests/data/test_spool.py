"""The spool and lazy inputs: the memory of a run does not grow with the samples."""

import subprocess
import sys

import numpy as np
import pytest

from robust.data import spool
from robust.data.lazy_inputs import LazyInputs
from robust.data.spool import Spool, pick_rows

X = np.arange(60, dtype=np.float32).reshape(10, 2, 3)

sizes = pytest.mark.parametrize("most", [10**6, 100, 0], ids=["in memory", "later on disk", "on disk"])


@sizes
def test_a_pile_holds_what_was_put_on_it_in_order(monkeypatch, most):
    monkeypatch.setattr(spool, "IN_MEMORY", most)
    found = Spool((2, 3))
    for part in (X[:3], X[:0], X[3:4], X[4:].astype(np.float64)):
        found.add(part)

    assert np.array_equal(found.array(), X)
    assert isinstance(found.array(), np.memmap) == (most < X.nbytes)
    assert found.array().flags.writeable  # torch warns of others
    assert Spool((2, 3)).array().shape == (0, 2, 3)


@sizes
@pytest.mark.parametrize("rows", [[], [9, 0, 4, 4], [*range(10)], [*range(9)]])
def test_rows_are_picked(monkeypatch, most, rows):
    monkeypatch.setattr(spool, "IN_MEMORY", most)
    monkeypatch.setattr(spool, "PART", 50)
    rows = np.array(rows, np.int64)

    assert np.array_equal(pick_rows(X, rows), X[rows])


def test_a_disk_without_room_is_reported(monkeypatch):
    def full(owner):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "IN_MEMORY", 0)
    monkeypatch.setattr(spool, "open_scratch_file", full)

    with pytest.raises(ValueError, match=r"No space left on device; set TMPDIR to a folder with room"):
        Spool((2, 3)).add(X)


def test_rows_are_indexed_as_an_array_is():
    rows = LazyInputs(X, np.array([7, 2, 5]), (2, 3))
    expected = X[[7, 2, 5]]

    assert rows.shape == expected.shape
    assert len(rows) == 3
    for part in (slice(1, 3), slice(None), np.array([2, 0]), 1, -1):
        assert np.array_equal(rows[part], expected[part])
    assert np.array_equal(np.asarray(rows), expected)
    assert np.array_equal([*rows], expected)
    assert np.array_equal(rows.take(np.array([2, 1]))[:], expected[[2, 1]])


GROWTH = """
import io, sys, threading, time
from pathlib import Path
import numpy as np, psutil, pyarrow as pa, pyarrow.parquet as pq, torch
from PIL import Image
from robust.data import spool
from robust.attacks.suite import Stage, Suite
from robust.attacks.threats.threat import read_threat
from robust.evaluation.suite_run import SuiteCache, SuiteRun
from robust.data import lazy_inputs, numpy_files
from robust.data.factory import open_data
from robust.evaluation.measure import measure_attack, measure_clean
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher

lazy_inputs.IN_MEMORY = spool.IN_MEMORY = numpy_files.SMALL = lazy_inputs.PART = spool.PART = 2**22
folder, random = Path(sys.argv[1]), np.random.RandomState(0)

def image():
    file = io.BytesIO()
    Image.fromarray(random.randint(0, 256, (8, 8, 3)).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(100 * torch.randn(2, 3, generator=torch.Generator().manual_seed(0)))
    def forward(self, x):
        return (x - 0.5).mean((2, 3)) @ self.w.T

def run(n):
    pq.write_table(pa.table({"image": [image() for _ in range(n)], "label": [0, 1] * (n // 2)}), folder / "a.parquet")
    samples = open_data("parquet:a.parquet:size=96", folder).complete().load("test")
    net, feed, threat = Net(), Batcher(16), read_threat("linf:0.5")
    clean = measure_clean(net, samples, batcher=feed)
    assert len(samples.digest) == 64 and clean.faulty == 0
    found = measure_attack(net, samples, clean.correct, "fgsm", threat, RunOptions(feed))
    suite = Suite("s-1", (Stage("fgsm"),))
    cache = SuiteCache(folder / str(n))
    again = SuiteRun(net, samples, suite, threat, 2, RunOptions(feed), cache=cache).run(clean.correct)
    assert found.adversarial.mean() == again.adversarial.mean() > 0.3

def watch():
    process = psutil.Process()
    while True:
        memory = process.memory_info()
        peak[0] = max(peak[0], memory.rss - memory.shared)  # mapped files are the system's to drop
        time.sleep(0.002)

peak = [0]
threading.Thread(target=watch, daemon=True).start()
run(50)
for n in (300, 900):
    peak[0] = 0
    run(n)
    print(peak[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which memory is a file's")
def test_four_times_the_images_take_no_more_memory(tmp_path):
    """Run 900 images, which are 100 MB as float32, and their adversarial inputs, which are half as much again."""
    result = subprocess.run([sys.executable, "-c", GROWTH, str(tmp_path)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    few, many = map(int, result.stdout.split())

    assert many - few < 20e6
