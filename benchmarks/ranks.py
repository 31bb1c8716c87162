"""`make bench-ranks`: the gain of two processes, the time that ranks wait, and the gain of 64. Writes ranks.md."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

import robust.evaluation.attack_run
from benchmarks import table
from benchmarks.subjects import ROOT, draw_images, network
from robust.attacks.suite import read_suite
from robust.attacks.threats.threat import read_threat
from robust.data.dataset import Samples
from robust.distributed.ranks import join
from robust.evaluation.attack_run import AttackFunction, BatchOutcome, RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import BATCH, measure_clean
from robust.evaluation.suite_run import SuiteRun

MODEL, SUITE, THREAT, N, SEED = "pgd-at", "standard-1", "linf:0.1", 2000, 0
TURNS, WHOLE = 5, 3  # runs of the suite, and of the whole command
GAIN = 1.6  # of two processes with a thread each, over one: at least
MANY = (8, 64)
OUT = ROOT / "benchmarks/ranks.md"
LEGEND = (
    f"{SUITE} runs on the model {MODEL} of Fashion-MNIST under {THREAT}, with {N} test images, under `torchrun` with "
    f"one thread per process. Figures are medians of {TURNS} turns, which alternate between one process and two. "
    "Seconds are those of the suite, without the start of the processes; processor seconds are the sum of all "
    f"processes. Idle is the share of the time in which a rank waits for another. The whole command, in {WHOLE} turns, "
    "is `robust evaluate` from its start to the leaderboard; rank 0 alone runs the checks of trust."
)
SIMULATED = (
    "The table shows how long ranks would wait for each other. It is computed from the passes through the model that "
    "each sample took in each round of the same suite, if a pass takes every rank the same time. Samples are "
    "distributed anew before each round, or once for all rounds, in turns or in blocks. "
    f"There are {N} images, or ten times as many with the same outcomes. A rank with few samples per round waits, "
    "whatever the distribution. Gain is the time of one process divided by the time of all."
)

Round = tuple[NDArray[np.int64], NDArray[np.int64]]  # (samples, the passes that each took), the hardest first


def child(folder: Path) -> None:
    """Run one process of a turn and write its measurements; a single process also writes the cost of each sample."""
    x, y = draw_images(N, SEED)
    samples, model, suite = Samples(x.numpy(), y.numpy(), np.arange(N)), network(MODEL), read_suite(SUITE, ROOT)
    with join() as ranks, _waiting() as waits, _recorded() as rounds:
        torch.set_num_threads(1)
        correct = measure_clean(model, samples, SEED).correct
        suite_run = SuiteRun(
            model, samples, suite, read_threat(THREAT), 10, RunOptions(Batcher(BATCH), SEED, ranks=ranks)
        )
        ranks.all(None)
        waits.clear()
        began, used = time.monotonic(), time.process_time()
        result = suite_run.run(correct)
        wall, used = time.monotonic() - began, time.process_time() - used
    content = {
        "wall": wall,
        "used": used,
        "idle": sum(waits) / wall,
        "broken": np.flatnonzero(result.adversarial).tolist(),
    }
    content |= {"rounds": [[array.tolist() for array in pair] for pair in rounds]} if ranks.size == 1 else {}
    (folder / f"{ranks.rank}.json").write_text(json.dumps(content))


@contextmanager
def _waiting() -> Iterator[list[float]]:
    """Yield a list that grows by the seconds of each wait for the other ranks."""
    waits: list[float] = []
    barrier = dist.monitored_barrier

    def timed(*args: Any, **named: Any) -> None:
        began = time.monotonic()
        barrier(*args, **named)
        waits.append(time.monotonic() - began)

    dist.monitored_barrier = timed
    try:
        yield waits
    finally:
        dist.monitored_barrier = barrier


@contextmanager
def _recorded() -> Iterator[list[Round]]:
    """Yield a list that grows by the samples and the passes of each round."""
    rounds: list[Round] = []
    run_batches = robust.evaluation.attack_run.run_batches

    def record_round(attack: AttackFunction, samples: Samples, batcher: Batcher, copies: int = 1) -> BatchOutcome:
        outcome = run_batches(attack, samples, batcher, copies)
        rounds.append((samples.index, outcome.forwards + 2 * outcome.backwards))  # backward takes about two forwards
        return outcome

    robust.evaluation.attack_run.run_batches = record_round
    try:
        yield rounds
    finally:
        robust.evaluation.attack_run.run_batches = run_batches


def turn(size: int) -> list[dict[str, Any]]:
    """Return the measurements of each process in one run of `size` processes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={size}", "-m", "benchmarks.ranks"]
        subprocess.run([*command, folder], cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True)
        return [json.loads((Path(folder) / f"{rank}.json").read_text()) for rank in range(size)]


def whole(size: int) -> float:
    """Return the seconds of `robust evaluate` in `size` processes."""
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={size}", "-m", "robust", "evaluate"]
    command += [f"{ROOT}/benchmarks/models/{MODEL}.safetensors", f"--arch={ROOT}/examples/fashion_mnist.py:make"]
    command += [f"--suite={SUITE}", f"--threat={THREAT}", f"--samples={N}", "--data=fashion-mnist"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pytest.ini").touch()
        began = time.monotonic()
        subprocess.run(command, cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, stdout=sys.stderr)
        return time.monotonic() - began


def idle_shares(rounds: Iterable[Round], n: int, size: int) -> dict[str, float]:
    """Return the share of the ranks' time in which they wait, for each way to distribute the samples."""
    longest: dict[str, float] = dict.fromkeys(("anew", "once, by turns", "once, in blocks"), 0.0)
    work = 0.0
    for rows, passes in rounds:
        work += passes.sum()
        ranks = (np.arange(len(rows)) % size, rows % size, rows * size // n)
        for way, rank in zip(longest, ranks, strict=True):
            longest[way] += np.bincount(rank, passes, size).max()
    return {way: 1 - work / (size * most) for way, most in longest.items()}


def tenfold(rounds: Iterable[Round], n: int) -> list[Round]:
    """Return the rounds with each of the n samples ten times."""
    copies = n * np.arange(10)
    return [((rows[:, None] + copies).ravel(), np.repeat(passes, 10)) for rows, passes in rounds]


def simulated(rounds: list[Round]) -> Iterator[list[str]]:
    for many, n in ((rounds, N), (tenfold(rounds, N), 10 * N)):
        for size in MANY:
            for way, idle in idle_shares(many, n, size).items():
                yield [str(n), str(size), way, f"{100 * idle:.0f} %", f"{size * (1 - idle):.1f}"]


def main() -> int:
    turns = [(turn(1), turn(2)) for _ in range(TURNS)]
    commands = [(whole(1), whole(2)) for _ in range(WHOLE)]
    alike = all(each["broken"] == one[0]["broken"] for one, two in turns for each in two)
    gains = [one[0]["wall"] / max(each["wall"] for each in two) for one, two in turns]
    holds = median(gains) >= GAIN and alike
    rounds = [(np.array(index), np.array(passes)) for index, passes in turns[0][0][0]["rounds"]]
    heads = ("processes", "seconds", "processor seconds", "idle, by rank", "whole command")
    rows = [_row([pair[k] for pair in turns], [pair[k] for pair in commands]) for k in (0, 1)]
    lines = [
        *table.markdown(heads, rows, words=0),
        "",
        f"- two are {median(gains):.2f} times as fast as one ({min(gains):.2f} to {max(gains):.2f}; {GAIN} is asked "
        f"for), and break the same samples: {'yes' if holds else '**no**'}",
        "",
        "## Many, simulated",
        "",
        SIMULATED,
        "",
        *table.markdown(("pictures", "ranks", "dealt out", "idle", "gain"), simulated(rounds), words=3),
    ]
    OUT.write_text(table.page("Several processes", LEGEND, lines, SEED, ("torch",)), "utf-8")
    sys.stdout.write(OUT.read_text("utf-8"))
    return int(not holds)


def _row(turns: list[list[dict[str, Any]]], commands: list[float]) -> list[str]:
    """Return the line of the table for the number of processes in these turns."""
    idle = [median(ranks[rank]["idle"] for ranks in turns) for rank in range(len(turns[0]))]
    return [
        str(len(idle)),
        f"{median(max(each['wall'] for each in ranks) for ranks in turns):.1f}",
        f"{median(sum(each['used'] for each in ranks) for ranks in turns):.1f}",
        " / ".join(f"{100 * share:.1f} %" for share in idle),
        f"{median(commands):.1f}",
    ]


if __name__ == "__main__":
    if sys.argv[1:]:
        child(Path(sys.argv[1]))
    else:
        sys.exit(main())
