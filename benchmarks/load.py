"""`make bench-load`: what large leaderboards cost: processor seconds, memory and the size of the page.

The records are copies of one real record, each of another model with outcomes of its own, on one board. As a run would,
each has evidence with images.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from robust.records.evidence import Evidence
from robust.records.files import locked
from robust.records.gallery import Gallery
from robust.records.record import Record
from robust.records.store import add

SOURCE = Path(__file__).parent.parent / "leaderboard/results/digits/linf-0.15/standard-1"
RECIPES = ("pgd-at", "trades", "fgsm-rs", "mart", "standard")
SIZES = (500, 1000, 2000, 4000)
IMAGES = 4  # samples a row, each with five pictures
ADD = """
import sys
from pathlib import Path
from benchmarks.load import draw_evidence, make_records
from robust.records.files import locked
from robust.records.store import add
from robust.report.folder import write_board
folder, (record,) = Path(sys.argv[1]), make_records(1, int(sys.argv[2]))
with locked(folder):
    add(folder, record, draw_evidence(record))
    write_board(folder, keep=True)
"""


def make_records(count: int, first: int = 0) -> Iterator[Record]:
    """Make so many records: the models number `first` and following, some better than others."""
    real = Record.from_json(next(iter(sorted(SOURCE.glob("digits-pgd-at-*.json")))).read_text("utf-8"))
    for k in range(first, first + count):
        random = np.random.RandomState(k)
        correct, held = random.rand(real.data.n) < 0.9 + 0.1 * random.rand(), random.rand(real.data.n)
        adversarial = correct & (held < 0.1 + 0.8 * random.rand())
        (attack,) = real.attacks
        counts = np.linspace(0.8, 1, len(attack.stages)) * adversarial.sum()
        stages = tuple(
            replace(s, adversarial=int(c), n=int(correct.sum())) for s, c in zip(attack.stages, counts, strict=True)
        )
        model = replace(real.model, name=f"net-{k}", training=RECIPES[k % 5], weights=f"{k:08x}" * 8)
        attack = replace(attack, adversarial=adversarial, stages=stages, rounded=adversarial)
        yield replace(real, model=model, correct=correct, attacks=(attack,), provenance=dict(real.provenance))


def draw_evidence(record: Record) -> Evidence:
    """Make evidence of the size of digits for a few samples of a record."""
    random = np.random.RandomState(record.data.n)
    row = np.flatnonzero(record.correct & ~record.robust)[:IMAGES]
    before, change, after, slope, mean = (
        random.randint(0, 256, (len(row), 8, 8, 1)).astype(np.uint8) for _ in range(5)
    )
    sure = np.full(len(row), 0.5, np.float32)
    gallery = Gallery(row, row % 10, (row + 1) % 10, sure, before, change, after, slope, mean)
    y = np.arange(record.data.n) % 10
    return Evidence(random.rand(len(row), 1, 8, 8).astype(np.float32), row, 0 * row, y, 3 * np.arange(len(y)), gallery)


def measure(*command: str) -> tuple[float, int]:
    """Run Python in a process; return its processor seconds and its peak memory in MB."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command[0]} ended with status {status}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss // 1024


def main() -> int:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES)
    sizes = parser.parse_args().sizes
    print("rows    board: s  again: s   MB   one row more: s   MB   index.html: MB")  # noqa: T201
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with locked(folder):
                for record in make_records(size):
                    add(folder, record, draw_evidence(record))
            (seconds, memory), (again, _) = (measure("-m", "robust", "board", name) for _ in range(2))
            more, most = measure("-c", ADD, name, str(size))
            page = (folder / "index.html").stat().st_size / 1e6
            figures = f"{seconds:11.1f} {again:9.1f} {memory:5d} {more:13.1f} {most:6d} {page:12.2f}"
            print(f"{size:5,d} {figures}", flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
