"""`make bench-knobs`: what skips, batch norm, initialisation and regularisers each do to robust training.

Every setting differs from the first by what its name says, and is trained by the same seeds on the same images of
Fashion-MNIST. What is trained is kept in results/knobs, so a killed run goes on. Writes knobs.md.
"""

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import t as student

from benchmarks import table
from benchmarks.duel import run_suite
from benchmarks.nets import residual
from benchmarks.subjects import Subject
from robust.attacks import LpThreat
from robust.data.dataset import Samples
from robust.data.factory import open_data
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import measure_clean
from robust.train.factory import read_recipe
from robust.train.loop import Fit, fit

PAGE, KEPT = Path(__file__).parent / "knobs.md", Path(__file__).parent / "results" / "knobs"
RECIPE, THREAT, SUITE = "pgd-at:batch=128:epochs=6:steps=3", LpThreat.parse("linf:0.1"), "quick-1"
N, TESTED, SEEDS = 4000, 1000, 3
RARE, SHARE = range(5, 10), 0.1  # of the images of these classes so many are left, where data are imbalanced
HEADS = ("setting", "clean %", "change", "robust %", "change", "first", "last")
RARE_HEADS = ("setting", "clean %", "change", "robust %", "change", "rare: robust %", "change")
LEGEND = (
    f"A network of 13 convolutions (`residual` of nets.py), trained by `{RECIPE}` on {N:,} images of Fashion-MNIST's "
    f"training split under {THREAT}; clean and robust accuracy (`{SUITE}`) on {TESTED:,} test images; means of {SEEDS} "
    "seeds. A change is the difference to the first line of the table at the same seed, in points, with its 95 % "
    "interval: Student's over the seeds, and the normal one over the images, added as independent errors. First and "
    "last are the mean lengths of the gradient of the first convolution and of the linear layer, in the first epoch."
)


@dataclass(frozen=True, slots=True)
class Setting:
    """A training that differs from the usual one in the architecture, in options of the recipe, or in the data."""

    name: str
    arch: dict[str, Any] = field(default_factory=dict)
    options: str = ""
    rare: bool = False  # whether some classes have few images


@dataclass(frozen=True, slots=True)
class Trained:
    """The figures of a training: which of the test images are right, and robust, and the lengths of gradients."""

    clean: NDArray[np.bool_]
    robust: NDArray[np.bool_]
    first: float
    last: float
    notes: tuple[str, ...]


PLAIN: dict[str, Any] = {"skip": False, "norm": False}
SETTINGS = (
    Setting("skips and batch norm (the usual)"),
    Setting("no skips", {"skip": False}),
    Setting("no batch norm", {"norm": False}),
    Setting("neither", PLAIN),
    Setting("neither, init=he", PLAIN, ":init=he"),
    Setting("neither, init=xavier", PLAIN, ":init=xavier"),
    Setting("dropout 0.2", {"drop": 0.2}),
    Setting("weight_decay=0", options=":weight_decay=0"),
    Setting("weight_decay=5e-3", options=":weight_decay=0.005"),
    Setting("smoothing=0.1", options=":smoothing=0.1"),
)
IMBALANCED = (
    Setting("half of the classes rare", rare=True),
    Setting("class_weights=balanced", options=":class_weights=balanced", rare=True),
    Setting("sampling=balanced", options=":sampling=balanced", rare=True),
)


def main() -> int:
    """Train what is missing, two at a time, and write the page."""
    KEPT.mkdir(parents=True, exist_ok=True)
    jobs = [(setting, seed) for seed in range(SEEDS) for setting in (*SETTINGS, *IMBALANCED)]
    missing = [job for job in jobs if not _path(*job).exists()]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for line in pool.map(_train, *zip(*missing, strict=True)) if missing else ():
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
    lines = ["## The network and the regularisers", "", *table.markdown(HEADS, _rows(SETTINGS), words=1), ""]
    lines += ["## Imbalanced classes", "", f"Of classes 5 to 9 one image in {1 / SHARE:.0f} is left. ", ""]
    lines += [*table.markdown(RARE_HEADS, _rare_rows(), words=1), "", "## Told by the trainings", "", *_notes()]
    PAGE.write_text(table.page("What each knob of training does", LEGEND, lines, 0, ("torch",)), "utf-8")
    sys.stdout.write(PAGE.read_text("utf-8"))
    return 0


def _train(setting: Setting, seed: int) -> str:
    """Train a setting from a seed, keep its figures, and return a line on them."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    network = residual(**setting.arch)
    network(torch.zeros(2, 1, 28, 28))  # which gives the last layer its size
    data = open_data("fashion-mnist", Path())
    learn, test = data.load("train").draw(N, seed)[0], data.load("test").draw(TESTED, 0)[0]
    fitted = fit(
        network, read_recipe(RECIPE + setting.options), thin(learn) if setting.rare else learn, THREAT, seed=seed
    )
    network.load_state_dict(fitted.weights)
    clean, robust = _test(network, test)
    _path(setting, seed).write_text(json.dumps(_kept(fitted, clean, robust), indent=1) + "\n", "utf-8")
    return f"{setting.name}, seed {seed}: clean {100 * clean.mean():.1f} %, robust {100 * robust.mean():.1f} %"


def thin(samples: Samples) -> Samples:
    """Leave out most images of the rare classes."""
    kept = np.ones(len(samples), bool)
    for label in RARE:
        rows = np.flatnonzero(samples.y == label)
        kept[rows[int(SHARE * len(rows)) :]] = False
    return samples.take(np.flatnonzero(kept))


def _test(network: torch.nn.Module, test: Samples) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which test images are answered right, and which are robust, (TESTED,) each."""
    clean = measure_clean(network, test, 0, Batcher(250)).correct
    right = test.take(np.flatnonzero(clean))
    robust = clean.copy()
    if clean.any():
        subject = Subject("", network, torch.from_numpy(right.x), torch.from_numpy(right.y), len(right))
        robust[clean] = ~run_suite(subject, SUITE, THREAT, 0).adversarial
    return clean, robust


def _kept(fitted: Fit, clean: NDArray[np.bool_], robust: NDArray[np.bool_]) -> dict[str, Any]:
    lengths = [*fitted.curve[0].gradients.values()]
    bits = {"clean": clean, "robust": robust}
    texts = {name: "".join("01"[int(each)] for each in marks) for name, marks in bits.items()}
    return {**texts, "first": lengths[0], "last": lengths[-1], "notes": [*fitted.notes]}


def _path(setting: Setting, seed: int) -> Path:
    name = "".join(letter if letter.isalnum() else "-" for letter in setting.name)
    return KEPT / f"{name}-{seed}.json"


def _read(setting: Setting) -> list[Trained]:
    """Read the figures of a setting, one for each seed."""
    found = [json.loads(_path(setting, seed).read_text("utf-8")) for seed in range(SEEDS)]
    bits = [{name: np.array([*each[name]]) == "1" for name in ("clean", "robust")} for each in found]
    return [
        Trained(**marks, first=each["first"], last=each["last"], notes=tuple(each["notes"]))
        for marks, each in zip(bits, found, strict=True)
    ]


def _rows(settings: Sequence[Setting]) -> list[list[str]]:
    usual = _read(settings[0])
    return [
        [
            setting.name,
            *_figures(trained, usual),
            *(f"{np.mean([getattr(each, end) for each in trained]):.1g}" for end in ("first", "last")),
        ]
        for setting in settings
        for trained in [_read(setting)]
    ]


def _rare_rows() -> list[list[str]]:
    usual, y = _read(IMBALANCED[0]), open_data("fashion-mnist", Path()).load("test").draw(TESTED, 0)[0].y
    rare = np.isin(y, RARE)
    return [
        [
            setting.name,
            *_figures(trained, usual),
            *_figure([each.robust[rare] for each in trained], [each.robust[rare] for each in usual]),
        ]
        for setting in IMBALANCED
        for trained in [_read(setting)]
    ]


def _figures(trained: list[Trained], usual: list[Trained]) -> list[str]:
    """Return the clean and the robust accuracy in percent, each with its change."""
    pairs = ([getattr(each, name) for each in some] for name in ("clean", "robust") for some in (trained, usual))
    clean, usual_clean, robust, usual_robust = pairs
    return [*_figure(clean, usual_clean), *_figure(robust, usual_robust)]


def _figure(marks: list[NDArray[np.bool_]], usual: list[NDArray[np.bool_]]) -> list[str]:
    mean = f"{100 * np.mean(marks):.1f}"
    return [
        mean,
        "" if marks is usual or np.array_equal(marks, usual) else describe_change(np.array(marks), np.array(usual)),
    ]


def describe_change(marks: NDArray[Any], usual: NDArray[Any]) -> str:
    """Return the mean difference of two (seeds, images) in points, with its 95 % interval."""
    difference = 100.0 * (marks.astype(float) - usual)
    seeds, images = difference.shape
    over_seeds = student.ppf(0.975, seeds - 1) * difference.mean(1).std(ddof=1) / seeds**0.5
    over_images = 1.96 * difference.mean(0).std(ddof=1) / images**0.5
    mean, half = difference.mean(), float(np.hypot(over_seeds, over_images))
    return f"{mean:+.1f} ({mean - half:+.1f} to {mean + half:+.1f})"


def _notes() -> list[str]:
    """Return what the trainings had to say, each with how many of the seeds said it."""
    lines = []
    for setting in (*SETTINGS, *IMBALANCED):
        told = [note.partition(": ")[2] or note for each in _read(setting) for note in each.notes]
        kinds = dict.fromkeys(note.partition(" in ")[0].partition(" (")[0] for note in told)
        lines += [f"- {setting.name}: {kind}, {sum(note.startswith(kind) for note in told)} times" for kind in kinds]
    return lines or ["- nothing"]


if __name__ == "__main__":
    sys.exit(main())
