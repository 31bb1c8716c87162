"""`make bench-corruptions`: networks under corruptions, and what training with the usual fifteen gains on the others.

What is trained is kept in results/corruptions, so a killed run goes on. Writes corruptions.md.
"""

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks import table
from benchmarks.knobs import describe_change
from benchmarks.subjects import CASES, draw_images, network
from examples.fashion_mnist import make
from robust.attacks import CorruptionThreat, LpThreat
from robust.attacks.corruptions.kinds import HELD_OUT, KINDS, USUAL, scheme_of
from robust.attacks.threats.threat import read_threat
from robust.data.dataset import Samples
from robust.data.factory import open_data
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.corruptions import measure_corruptions
from robust.train.factory import read_recipe
from robust.train.loop import fit

PAGE, KEPT = Path(__file__).parent / "corruptions.md", Path(__file__).parent / "results" / "corruptions"
NETWORKS = ("standard", "pgd-at", "trades", "colour-cnn", "digits-standard", "digits-pgd-at")
N, LEARNT, TESTED, SEEDS = 200, 4000, 300, 8
SHOWN, HARDEST = 3, 5  # severities: of the networks' last columns, and both of what was trained
RECIPES = ("standard:batch=128:epochs=5", "corrupted:batch=128:epochs=5")
THREAT = LpThreat.parse("linf:0.1")  # which neither recipe makes use of
HEADS = (
    "network",
    "parameters of",
    "clean %",
    *(f"severity {k}" for k in range(1, 6)),
    "all fifteen at 3",
    "held out at 3",
)
TRAINED_HEADS = (
    "recipe",
    "severity",
    "clean %",
    "change",
    "usual fifteen",
    "change",
    "held-out four",
    "change",
    *HELD_OUT,
)
LEGEND = (
    f"Accuracy in percent of {N} test images, the mean over the usual fifteen corruptions at each severity; at 3 also "
    "the share that withstands all fifteen, and the mean over the four that are held out. The networks are those of "
    "[standard.md](standard.md): `pgd-at` and `trades` were trained against linf."
)
GAIN = (
    f"The network of `examples/fashion_mnist.py`, trained on {LEARNT:,} images of Fashion-MNIST, clean or half of them "
    f"corrupted by one of the usual fifteen at severity 1 to 3; accuracies of {TESTED} test images, means of {SEEDS} "
    "seeds, with MNIST-C's corruptions. A change is that to the recipe `standard` at the same seed and severity, in "
    "points, with its 95 % interval over seeds and images. The four that are held out took no part in any choice."
)


def main() -> int:
    """Measure the networks, train what is missing, and write the page."""
    torch.set_num_threads(1)
    KEPT.mkdir(parents=True, exist_ok=True)
    measured = [_describe(name) for name in NETWORKS]
    for seed in range(SEEDS):
        for recipe in RECIPES:
            if not _path(recipe, seed).exists():
                _train(recipe, seed)
    lines = [*table.markdown(HEADS, measured, words=2), "", "## Trained with corruptions", "", GAIN, ""]
    compared = [_compare(recipe, severity) for severity in (SHOWN, HARDEST) for recipe in RECIPES]
    lines += table.markdown(TRAINED_HEADS, compared, words=1)
    PAGE.write_text(table.page("Networks under corruptions", LEGEND, lines, 0, ("torch",)), "utf-8")
    sys.stdout.write(PAGE.read_text("utf-8"))
    return 0


def ask(module: nn.Module, samples: Samples, severity: int) -> NDArray[np.bool_]:
    """Return which corruptions of each sample are answered right, (n, all kinds)."""
    threat = read_threat(f"corruption:{severity}:all")
    right: NDArray[np.bool_] = measure_corruptions(module, samples, threat, RunOptions(Batcher(250))).right == 1
    return right


def _describe(name: str) -> list[str]:
    """Return the line of a network."""
    path = KEPT / f"{name}.json"
    if not path.exists():
        (case,) = (case for case in CASES if case.name == name)
        module, (x, y) = network(name), draw_images(N, 0, case.data)
        samples = Samples(x.numpy(), y.numpy(), np.arange(N))
        right = [ask(module, samples, severity) for severity in range(1, 6)]
        usual = [100 * float(marks[:, : len(USUAL)].mean()) for marks in right]
        three = right[SHOWN - 1]
        every, held = three[:, : len(USUAL)].all(1).mean(), three[:, len(USUAL) :].mean()
        clean = float((module(x).argmax(1) == y).float().mean())
        figures = [clean, *(share / 100 for share in usual), float(every), float(held)]
        kept = {"scheme": scheme_of(*x.shape[-2:]), "percent": [round(100 * figure, 1) for figure in figures]}
        path.write_text(json.dumps(kept) + "\n", "utf-8")
        _tell(f"{name}: {kept}")
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return [name, found["scheme"], *(f"{figure:.1f}" for figure in found["percent"])]


def _train(recipe: str, seed: int) -> None:
    """Train a network from a seed, and keep which test images it answers right, clean and under each corruption."""
    torch.manual_seed(seed)
    module = make()
    data = open_data("fashion-mnist", Path())
    learn, test = data.load("train").draw(LEARNT, seed)[0], data.load("test").draw(TESTED, 0)[0]
    module.load_state_dict(fit(module, read_recipe(recipe), learn, THREAT, seed=seed).weights)
    module.eval()
    clean = _answer(module, torch.from_numpy(test.x), test.y)
    kept: dict[str, str] = {}
    for severity in (SHOWN, HARDEST):
        right = np.column_stack([clean, *(_answer(module, x, test.y) for x in _show(severity))])
        names = (f"{name} {severity}" for name in ("clean", *KINDS))
        kept |= {name: "".join("01"[int(each)] for each in column) for name, column in zip(names, right.T, strict=True)}
        _tell(f"{recipe}, seed {seed}, severity {severity}: {100 * right[:, 1:].mean():.1f} % over all nineteen")
    _path(recipe, seed).write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


@cache
def _show(severity: int) -> list[Tensor]:
    """Return the test images corrupted in each way; every network is shown the same."""
    test = open_data("fashion-mnist", Path()).load("test").draw(TESTED, 0)[0]
    threat = CorruptionThreat.parse(f"corruption:{severity}:all")
    return [threat.apply(torch.from_numpy(test.x), kind) for kind in threat.kinds]


def _answer(module: nn.Module, x: Tensor, y: NDArray[np.int64]) -> NDArray[np.bool_]:
    with torch.no_grad():
        right: NDArray[np.bool_] = (module(x).argmax(1) == torch.from_numpy(y)).numpy()
    return right


def _path(recipe: str, seed: int) -> Path:
    return KEPT / f"{recipe.partition(':')[0]}-{seed}.json"


def _read(recipe: str, severity: int) -> NDArray[np.bool_]:
    """Return what was kept of a recipe at a severity, (seeds, images, 1 + kinds)."""
    found = [json.loads(_path(recipe, seed).read_text("utf-8")) for seed in range(SEEDS)]
    bits = np.array([[[*each[f"{name} {severity}"]] for name in ("clean", *KINDS)] for each in found])
    marks: NDArray[np.bool_] = bits.transpose(0, 2, 1) == "1"
    return marks


def _compare(recipe: str, severity: int) -> list[str]:
    """Return the line of a recipe at a severity: the mean of each group, with its change to the first recipe."""
    marks, first = _read(recipe, severity), _read(RECIPES[0], severity)
    places = {"clean": slice(0, 1), "usual": slice(1, 1 + len(USUAL)), "held": slice(1 + len(USUAL), None)}
    cells = [recipe.partition(":")[0], str(severity)]
    for place in places.values():
        now, before = marks[..., place].mean(2), first[..., place].mean(2)
        cells += [f"{100 * now.mean():.1f}", "" if recipe == RECIPES[0] else describe_change(now, before)]
    return [*cells, *(f"{100 * marks[..., 1 + KINDS.index(kind)].mean():.1f}" for kind in HELD_OUT)]


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
