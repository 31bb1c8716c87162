"""`make check-gpu`: the program on a GPU beside the same on the CPU, in at most eight minutes.

Whole commands are run, as a user types them, and the figures of their rows are compared. It writes gpu.md; the exit
status is 1 if a row does not hold. Without CUDA it runs the CPU's half, to rehearse, and writes nothing.
"""

import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks import table
from benchmarks.subjects import network
from robust.attacks.rng import Rng
from robust.attacks.threats.lp import LpThreat
from robust.data.dataset import DATA, Dataset, Samples
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import measure_attack, measure_clean
from robust.models.registry import ARCHITECTURES

PAGE, ROOT = Path(__file__).with_name("gpu.md"), Path(__file__).parent.parent
POINTS = 1.0  # that a figure may differ: other kernels add in another order
TRAINED_POINTS = 6.0  # likewise of a training, whose steps add up
SECONDS = 150  # for one command
NET = "--robust-arch=examples/digits.py:make"
MODELS = {name: (f"--robust-model=benchmarks/models/digits-{name}.safetensors", NET) for name in ("standard", "pgd-at")}
CNN, LSTM = (
    ("--robust-model=zoo:cnn", "--robust-suite=quick-1"),
    ("--robust-model=zoo:lstm", "--robust-suite=quick-1"),
)
MEMORY, LARGE = 2 * 2**30, 4096  # bytes that the out-of-memory check may use, and the batch that it begins with
HEADS = ("check", "figures on the CPU", "on the GPU", "seconds on the CPU", "on the GPU", "holds")
LEGEND = (
    "Each line is one command or check, first on the CPU and then on the GPU. Figures are the clean and the robust "
    f"accuracy in percent and the verdict. A line holds if both end alike and no figure differs by more than {POINTS} "
    f"points, {TRAINED_POINTS} points for a model that was trained here. Seconds are of the wall clock, with imports."
)


@dataclass(frozen=True, slots=True)
class Check:
    """A command that ends with a row, or a function of this file that runs in a process of its own."""

    title: str
    arguments: tuple[str, ...]  # of pytest; or the name of a function
    points: float = POINTS
    both: bool = True  # whether it also means something on a CPU


CHECKS = (
    Check("engine: PGD, 599 scans", ("engine",)),
    *(Check(f"quick-1, {name}", (*args, "--robust-suite=quick-1")) for name, args in MODELS.items()),
    *(
        Check(f"standard-1, {name}, 200 scans", (*args, "--robust-suite=standard-1", "--robust-samples=200"))
        for name, args in MODELS.items()
    ),
    Check("search=bf16, pgd-at", (*MODELS["pgd-at"], "--robust-suite=quick-1", "--robust-search=bf16")),
    Check("training: pgd-at, 5 epochs", (*CNN, "--robust-train=pgd-at:epochs=5"), TRAINED_POINTS),
    Check("LSTM: 15 epochs, attacked", (*LSTM, "--robust-train=standard:epochs=15"), TRAINED_POINTS),
    Check("out of memory: the batch is halved", ("halve",), both=False),
    Check("one rank with nccl", ("nccl",), both=False),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a check on one device."""

    figures: tuple[float, ...]  # clean and robust accuracy, in percent
    text: str  # the verdict, or what went wrong
    seconds: float
    sound: bool


def run(check: Check, device: str) -> Outcome:
    """Run a check in a process of its own."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        alone = len(check.arguments) == 1
        options = (f"--robust-device={device}", f"--robust-leaderboard={folder}/board", f"--rootdir={folder}")
        plugin = (
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--robust-only",
            "--robust-fresh=8",
            *check.arguments,
            *options,
        )
        command = ("benchmarks.gpu", check.arguments[0], device, folder) if alone else plugin
        try:
            done = subprocess.run(
                [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return Outcome((), f"not done in {SECONDS} s", SECONDS, False)
        seconds = time.monotonic() - began
        if done.returncode:
            lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["nothing"]
            return Outcome((), f"exit status {done.returncode}: {lines[-1][:150]}", seconds, False)
        figures = tuple(map(float, done.stdout.split()[-2:])) if alone else ()
        return Outcome(figures, "", seconds, True) if alone else _read(Path(folder) / "board" / "results.csv", seconds)


def _read(path: Path, seconds: float) -> Outcome:
    with path.open(encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if row["attack"] == "all")
    return Outcome((float(row["clean_percent"]), float(row["robust_percent"])), row["verdict"], seconds, True)


def engine(device: str, folder: Path) -> None:
    """Print the clean accuracy and the robust accuracy under PGD, as the engine alone measures them."""
    del folder
    samples, module = _digits(), network("digits-pgd-at").to(device)
    _measure(module, samples, Batcher(250, torch.device(device)))


def halve(device: str, folder: Path) -> None:
    """Print the same where the first batch is far too large; a batch that was not halved is an error."""
    del folder
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(MEMORY / total)
    x = Rng.of(0, torch.arange(LARGE)).uniform(torch.zeros(LARGE, 3, 32, 32)).numpy()
    samples = Samples(x, (x[:, 0, 0, 0] > 0.5).astype("int64"), torch.arange(LARGE).numpy())
    module, batcher = (
        ARCHITECTURES.get("preactresnet18")((3, 32, 32), 2).to(device).eval(),
        Batcher(LARGE, torch.device(device)),
    )
    _measure(module, samples, batcher)
    if batcher.size >= LARGE:
        raise SystemExit(f"a batch of {LARGE} fitted into {MEMORY:,} bytes: nothing was halved")


def nccl(device: str, folder: Path) -> None:
    """Train an epoch as the only rank of torchrun, and print zeros."""
    words = ("robust", "train", "zoo:cnn", "--recipe=standard:epochs=1", f"--device={device}", f"--out={folder}")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=1", "-m", *words]
    subprocess.run(command, check=True, stdout=sys.stderr)
    sys.stdout.write("0 0\n")


def _digits() -> Samples:
    data = DATA.get("digits")
    assert isinstance(data, Dataset)
    return data.load("test")


def _measure(module: torch.nn.Module, samples: Samples, batcher: Batcher) -> None:
    correct = measure_clean(module, samples, 0, batcher).correct
    threat = LpThreat.parse("linf:0.15")
    result = measure_attack(module, samples, correct, "pgd:steps=20", threat, RunOptions(batcher))
    sys.stdout.write(f"{100 * correct.mean():.4f} {100 * (correct & ~result.adversarial).mean():.4f}\n")


def compare(check: Check, cpu: Outcome | None, gpu: Outcome) -> bool:
    """Whether the outcome on the GPU is sound, and that of the CPU up to rounding."""
    if cpu is None or not (cpu.sound and gpu.sound):
        return gpu.sound and cpu is None
    apart = max(abs(a - b) for a, b in zip(cpu.figures, gpu.figures, strict=True))
    return apart <= check.points and cpu.text == gpu.text


def _describe(outcome: Outcome | None) -> str:
    if outcome is None:
        return ""
    return " ".join([*(f"{figure:.1f}" for figure in outcome.figures), outcome.text]).strip()


def lines_of(cuda: bool) -> Iterator[tuple[bool, list[str]]]:
    """Run all checks; yield whether each holds, and its line in the table."""
    for check in CHECKS:
        cpu = run(check, "cpu") if check.both else None
        gpu = run(check, "cuda") if cuda else None
        holds = compare(check, cpu, gpu) if gpu else cpu is None or cpu.sound
        seconds = [f"{outcome.seconds:.1f}" if outcome else "" for outcome in (cpu, gpu)]
        shown = "yes" if holds else "**no**"
        yield holds, [check.title, _describe(cpu), _describe(gpu) if gpu else "no CUDA here", *seconds, shown]
        sys.stderr.write(f"{check.title}: {_describe(cpu)} | {_describe(gpu)} | {' '.join(seconds)}\n")


def main() -> int:
    """Run all checks, and write the page if there is a GPU."""
    cuda = torch.cuda.is_available()
    outcomes = [*lines_of(cuda)]
    lines = table.markdown(HEADS, (line for _, line in outcomes), words=3)
    where = torch.cuda.get_device_name() if cuda else "no GPU"
    text = table.page("On a GPU", f"{LEGEND} The GPU: {where}.", lines, 0, ("torch",))
    sys.stdout.write(text)
    if cuda:
        PAGE.write_text(text, "utf-8")
    return int(not all(holds for holds, _ in outcomes))


if __name__ == "__main__":
    if sys.argv[1:]:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        {"engine": engine, "halve": halve, "nccl": nccl}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
    else:
        sys.exit(main())
