"""Settings and payloads from values. Outcomes are written as text, a digit a sample: "1101"."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from robust.attacks.threats.threat import read_threat
from robust.data.dataset import Dataset, Samples
from robust.gates import Gates
from robust.models.permissions import NOTHING
from robust.models.spec import ModelSpec
from robust.records.added import MITIGATED
from robust.records.trust import TrustReport
from robust.records.used import DataUsed, ModelUsed
from robust.session.payload import AttackPayload, ItemPayload, RowPart, Setup, labels_of
from robust.session.results import Results
from robust.settings.baseline import Baselines
from robust.settings.settings import Settings
from tests.making import attacked, certificate, flags

CORRECT = "11111100"
TRUSTED = TrustReport((), (), ("nondeterministic",), (), 0.5)


def samples(n=8):
    """Return n samples of two classes in turn, with every third number of their split."""
    return Samples(np.zeros((n, 2), np.float32), np.arange(n) % 2, 3 * np.arange(n))


def setup(model="net", *, training="as-is", weights="ab12" * 16, n=8, **changes):
    given = {
        "model": ModelUsed(model, training, weights, 1234),
        "data": DataUsed("digits", "test", n, samples(n).digest),
        "seed": 0,
        "model_text": f"{model}.py:make",
        "arch": None,
        "normalize": None,
        "output": None,
        "criterion": "class",
        "transforms": (),
        "notes": (),
        "device": "cpu",
        "batch": 250,
        "source": "the model is the test's own",
        "trained": None,
    }
    return Setup(**given | changes)


def clean(correct=CORRECT, **changes):
    return ItemPayload(setup(n=len(correct), **changes), flags(correct))


def attack(name="pgd", adversarial="11000000", *, correct=CORRECT, levels=None, inputs=None, partial="", **row):
    """Return the payload of one attack, of which the row may have more (`attacks`)."""
    outcome = replace(attacked(name, adversarial), partial=partial)
    part = RowPart(**{"threat": "linf:0.15", "command": "pytest"} | row)
    return ItemPayload(setup(n=len(correct)), flags(correct), row=part, attack=AttackPayload(outcome, levels, inputs))


def trust(report=TRUSTED, mitigated=None, *, correct=CORRECT, suite=""):
    part = RowPart("linf:0.15", "", suite=suite)
    payload = None if mitigated is None else AttackPayload(attacked(MITIGATED, mitigated), None, None)
    return ItemPayload(setup(n=len(correct)), flags(correct), row=part, attack=payload, trust=report)


def certified(which="11010000", *, correct=CORRECT, weights="ab12" * 16, threat="linf:0.15", cache="", partial=""):
    part = RowPart(threat, "pytest", cache=cache)
    proved = replace(certificate(which), partial=partial)
    return ItemPayload(setup(n=len(correct), weights=weights), flags(correct), row=part, certificate=proved)


def results(*payloads):
    """Return the results of these payloads, whose samples are those of `samples`."""
    found = Results()
    for n in {len(payload.correct) for payload in payloads}:
        found.labels |= labels_of(samples(n))
    for payload in payloads:
        found.take(payload)
    return found


def settings(folder=Path(), **changes):
    given = {
        "models": (ModelSpec.parse("zoo:mlp", Path(folder)),),
        "arch": None,
        "normalize": None,
        "output": None,
        "criterion": "class",
        "permissions": NOTHING,
        "data": "digits",
        "dataset": Dataset("digits", None, 0.0, 1.0, 2, (2,), lambda split: None),
        "download": False,
        "threats": ("linf:0.15",),
        "attacks": ("fgsm", "pgd:steps=5"),
        "suites": (),
        "seconds": None,
        "certify": None,
        "search": (),
        "trainings": ("as-is",),
        "samples": None,
        "seed": 0,
        "draw": 0,
        "batch_size": None,
        "device": "cpu",
        "gates": Gates(),
        "baselines": Baselines(None, Path(folder), (), None),
        "verdict": None,
        "accepted": (),
        "leaderboard": None,
        "evidence": None,
        "gallery": 0,
        "fresh": 0,
        "only": False,
        "folder": Path(folder),
        "models_below": Path(folder),
        "attacks_below": Path(folder),
        "home": Path(folder) / ".robust",
    }
    return Settings(**given | changes)


def data(n=8):
    """Return what stands for RunData: the samples and the threat models of a run."""
    reading = {
        "read_threat": lambda text: read_threat(text, 0.0, 1.0),
        "criterion": "class",
        "spelling": ("digits", "."),
    }
    return SimpleNamespace(samples=samples(n), **reading)
