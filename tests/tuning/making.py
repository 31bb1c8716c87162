"""A small problem on digits, whose trials take a fraction of a second, and a journal of it."""

from pathlib import Path

from torch import nn

from robust.attacks import LpThreat
from robust.data.dataset import DATA
from robust.models.spec import ModelSpec
from robust.tuning.journal import Journal
from robust.tuning.problem import Problem, read_fixed
from robust.tuning.space import Choice, Range

SPACE = {"batch": Choice((32, 64)), "lr": Range(0.01, 0.3, log=True), "smoothing": Range(0.0, 0.2)}


def make(width=8):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))


def problem(recipe="fgsm-rs:epochs=2", space=None, objectives=("robust",), seed=0):
    model = ModelSpec("net.py:make", Path("net.py"), "make", library="test")
    threat = LpThreat.parse("linf:0.1")
    return Problem(
        model,
        lambda spec: make,
        read_fixed(recipe, None),
        SPACE if space is None else space,
        DATA.get("digits"),
        threat,
        seed,
        objectives,
    )


def journal(folder, sampler="tpe", **given):
    folder.mkdir(exist_ok=True)
    return Journal(folder, problem(**given), sampler)
