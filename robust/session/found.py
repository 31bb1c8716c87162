"""What an item hands to the session, as JSON can hold it; the adversarial inputs go through a file."""

import hashlib
import io
import os
import uuid
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from torch import nn

from robust.data.dataset import Samples
from robust.evaluate import device_of
from robust.models.load import Subject
from robust.record import Attacked, DataUsed, ModelUsed, attack_to_json, pack
from robust.session.result import Result
from robust.session.settings import Variant
from robust.session.workshop import Workshop
from robust.store import private, write

Found = dict[str, Any]

FOUND = pytest.StashKey[list[Found]]()  # on an item: what it measured
WARNINGS = pytest.StashKey[list[str]]()  # on an item: what the user should read beside the figures

PROCESS = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"  # a folder name that no other process has


def clean_found(workshop: Workshop, variant: Variant, module: nn.Module, samples: Samples) -> Found:
    """Of the model and the samples: all but the attack."""
    settings = workshop.settings
    subject = Subject(variant.spec.name, variant.training, module)
    made = workshop.trained.get(variant)
    return {
        "model_text": variant.spec.text,
        "data": asdict(DataUsed(settings.dataset.name, "test", len(samples), samples.digest)),
        "model": asdict(ModelUsed(subject.name, variant.training, subject.weights, subject.params)),
        "seed": settings.seed,
        "device": str(device_of(module)),
        "batch": workshop.feed(module).size,
        "correct": pack(workshop.clean(module, samples).correct),
        "trained": made and {"card": made.card, "path": str(made.path)},
    }


def row_found(
    workshop: Workshop, item: pytest.Item, samples: Samples, result: Result, origin: str, planned: int
) -> Found:
    """Of the attack: its outcomes, where its inputs wait, and to what row they belong."""
    found = result.found
    attacked = Attacked(found.attack, found.options, found.broken, found.forwards, found.backwards, found.seconds)
    return {
        "threat": result.threat,
        "attack": attack_to_json(attacked),
        "origin": origin,
        "planned": planned,
        "inputs": _spool(workshop, item, samples, result),
    }


def _spool(workshop: Workshop, item: pytest.Item, samples: Samples, result: Result) -> str | None:
    """Put the adversarial inputs where they wait until the controller makes the record."""
    if workshop.settings.leaderboard is None:
        return None
    file = io.BytesIO()
    np.savez(file, x_adv=result.x_adv, y=samples.y, index=samples.index)
    digest = hashlib.sha256(f"{item.nodeid} {result.attack} {result.threat}".encode()).hexdigest()[:16]
    path = private(workshop.settings.home) / "parts" / PROCESS / f"{digest}.npz"
    try:
        write(path, file.getvalue())
    except OSError as error:
        pytest.fail(f"the adversarial inputs could not be written: {error}", pytrace=False)
    return str(path)
