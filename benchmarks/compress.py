"""`make bench-compress`: published networks in 8 bits, pruned and distilled, by each road of attack: compress.md.

What is measured is kept in results/compress, so a killed run goes on.
"""

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.table import machine, markdown
from robust.baseline.comparison import Comparison
from robust.models.compressed import read_card
from robust.models.format import Terms
from robust.models.load import load
from robust.models.permissions import Permissions
from robust.models.spec import ModelSpec
from robust.records.record import Record

ROOT = Path(__file__).parent.parent
PAGE, KEPT = Path(__file__).with_suffix(".md"), Path(__file__).parent / "results" / "compress"
NETWORKS = ("digits-pgd-at", "digits-trades")
ARCH, SUITE, N = "examples/digits.py:make", "quick-1", 100
QUERIES = "square:steps=1000"  # in place of the suite, whose queries take too long on two cores
FORMS = {
    "int8 weights": ("--int8=weights",),
    "int8 static": ("--int8=static",),
    "int8 dynamic": ("--int8=dynamic",),
    "pruned 50 %": ("--prune=0.5",),
    "pruned 80 %": ("--prune=0.8",),
}
ROADS = ("own", "twin", "queries")
LEGEND = (
    f"Published networks, stored in 8 bits, pruned or distilled into a seventh of the parameters; {N} test images of "
    f"digits under linf:0.15, `{SUITE}`. Robust accuracy in percent by each road: its own gradient, that of its float "
    f"twin straight through, and queries (`{QUERIES}`). Only what fools the compressed network counts. Against float: "
    "points of robust accuracy that all roads together leave, less the float network's, with the p of the exact paired "
    "test. Size: of the file of weights. Time: of a forward pass of 64 images in one thread, over the float network's."
)
DEFENCE = (
    "Weights and activations of 4 bits, rounded in forward, so no gradient passes. The suite alone fails on it; the "
    "checks doubt the row, and add an attack of their own. The adaptive attack is the suite on the same network, with "
    "a gradient straight through each rounding."
)
HEADS = ("network", "clean %", "own", "twin", "queries", "strongest", "against float", "p", "size", "time")


@dataclass(frozen=True)
class Row:
    """A model on the samples: its record by each road, and how large and how slow it is beside the float one."""

    name: str
    records: dict[str, Record]
    size: float
    time: float


def main() -> None:
    """Measure what is missing, and write the page."""
    KEPT.mkdir(parents=True, exist_ok=True)
    defences = _defences()
    parts = [f"## {network}\n\n{_table(network)}" for network in NETWORKS]
    PAGE.write_text("\n\n".join([_head(), *parts, defences, f"{machine(('torchao',))} Seed 0."]) + "\n")


def _table(network: str) -> str:
    weights = f"leaderboard/weights/{network}.safetensors"
    folders = {name: KEPT / f"{network}-{_slug(name)}" for name in FORMS}
    for name, folder in folders.items():
        if not (folder / "compressed.json").is_file():
            _call("robust", "compress", weights, f"--arch={ARCH}", *FORMS[name], f"--out={folder}")
    own = [str(folder) for folder in folders.values() if _has_own(folder)]
    found = {
        "own": _measure(f"{network}-own", [weights, *own], f"--robust-arch={ARCH}"),
        **{
            road: _measure(f"{network}-{road}", [*map(str, folders.values())], f"--robust-road={road}")
            for road in ROADS[1:]
        },
    }
    rows = [Row("float", {"own": found["own"][network]}, 1.0, 1.0)]
    for name, folder in folders.items():
        records = {road: rows_of[folder.name] for road, rows_of in found.items() if folder.name in rows_of}
        card = read_card(folder)
        rows.append(Row(name, records, card.bytes / card.source.bytes, _time(folder)))
    return "\n".join(markdown(HEADS, [_cells(row, rows[0]) for row in [*rows, _distil(network, weights)]], words=1))


def _distil(network: str, weights: str) -> Row:
    path = KEPT / f"{network}-distilled.safetensors"
    if not path.is_file():
        teacher = f"distill:teacher={weights}:teacher_arch={ARCH}:epochs=60"
        _call("robust", "train", "benchmarks/compress_nets.py:small", f"--recipe={teacher}", f"--out={path}")
    (record,) = _measure(path.stem, [str(path)], "--robust-arch=benchmarks/compress_nets.py:small").values()
    size = path.stat().st_size / (ROOT / weights).stat().st_size
    return Row("distilled", {"own": record}, size, _time_of(_small(), _float(network)))


def _cells(row: Row, first: Row) -> list[str]:
    robust = {road: record.robust for road, record in row.records.items()}
    strongest = min(robust, key=lambda road: int(robust[road].sum()))
    compared = Comparison(first.records["own"].robust, np.logical_and.reduce([*robust.values()]))
    clean = row.records[strongest].correct.mean()
    shares = [f"{100 * robust[road].mean():.1f}" if road in robust else "" for road in ROADS]
    against = ("", "") if row is first else (f"{compared.points:+.1f}", f"{compared.p:.2g}")
    return [row.name, f"{100 * clean:.1f}", *shares, strongest, *against, f"{100 * row.size:.0f} %", f"{row.time:.2f}"]


def _defences() -> str:
    """Return a table of a defence that rounds to 4 bits: as it is, with the checks, and attacked on purpose."""
    cells = []
    for network in NETWORKS:
        named = [f"benchmarks/compress_nets.py:{name}(name='{network}')" for name in ("rounded", "adaptive")]
        (first,) = _measure(f"{network}-rounded", named[:1], checked=True).values()
        (second,) = _measure(f"{network}-adaptive", named[1:]).values()
        suite = first.correct & ~np.logical_or.reduce([attack.adversarial for attack in first.planned])
        shares = [f"{100 * flags.mean():.1f}" for flags in (suite, first.robust, second.robust)]
        cells.append([network, *shares, first.verdict])
    heads = ("network", "the suite alone %", "with what the checks add %", "adaptive %", "verdict")
    table = "\n".join(markdown(heads, cells, words=1))
    return f"## A defence by rounding to 4 bits\n\n{DEFENCE}\n\n{table}"


def _measure(name: str, models: list[str], *options: str, checked: bool = False) -> dict[str, Record]:
    """Return the records of models by their names, measured before or now."""
    board = KEPT / "boards" / name
    known = _read(board)
    if missing := [model for model in models if not (known if ".py:" in model else Path(model).stem in known)]:
        verdict = [] if checked else ["--robust-verdict=none"]
        saved = ["--robust-fresh=0", "--robust-gallery=0", f"--robust-leaderboard={board}"]
        attacks = f"--robust-attack={QUERIES}" if "--robust-road=queries" in options else f"--robust-suite={SUITE}"
        given = [*(f"--robust-model={model}" for model in missing), *options, *verdict, *saved]
        _call("pytest", "--robust-only", attacks, f"--robust-samples={N}", *given, may_fail=True)
    return _read(board)


def _read(board: Path) -> dict[str, Record]:
    records = [Record.from_json(path.read_text()) for path in (board / "results").rglob("*.json")]
    return {record.model.name: record for record in records}


def _call(program: str, *args: str, may_fail: bool = False) -> None:
    sys.stderr.write(f"{program} {' '.join(args)}\n")
    subprocess.run([sys.executable, "-m", program, *args], cwd=ROOT, check=not may_fail, stdout=subprocess.DEVNULL)


def _has_own(folder: Path) -> bool:
    card = read_card(folder)
    return not card.packing or card.packing.endswith("weights")


def _time(folder: Path) -> float:
    """Return the time of a forward pass of a compressed network over that of its float network."""
    permissions = Permissions((str(folder / "compressed.json"),))
    terms = Terms((1, 8, 8), 10, permissions, inputs=torch.rand(16, 1, 8, 8))
    packed = load(ModelSpec.parse(str(folder), ROOT), None, ROOT, terms).module
    return _time_of(packed, _float("digits-pgd-at"))


def _time_of(module: nn.Module, other: nn.Module, batch: int = 64, pairs: int = 40) -> float:
    """Return the median ratio of the times of two modules, which are asked in turn; one thread."""
    x, ratios = torch.rand(batch, 1, 8, 8), []
    with torch.no_grad():
        for _ in range(pairs):
            moments = [time.perf_counter()]
            for each in (module, other):
                for _ in range(10):
                    each(x)
                moments.append(time.perf_counter())
            ratios.append((moments[1] - moments[0]) / (moments[2] - moments[1]))
    return statistics.median(ratios)


def _float(network: str) -> nn.Module:
    spec = ModelSpec.parse(f"leaderboard/weights/{network}.safetensors", ROOT)
    return load(spec, ARCH, ROOT, Terms((1, 8, 8), 10)).module.eval()


def _small() -> nn.Module:
    from benchmarks.compress_nets import small

    return small().eval()


def _slug(name: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in name).split())


def _head() -> str:
    return f"# Compressed networks\n\n{LEGEND}"


if __name__ == "__main__":
    main()
