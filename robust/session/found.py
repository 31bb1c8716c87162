"""What an item hands to the session, as JSON can hold it; the adversarial inputs go through a file."""

import hashlib
import io
import os
import uuid
from dataclasses import asdict

import numpy as np

from robust.evaluate import device_of
from robust.models.load import Subject
from robust.record import Attacked, DataUsed, ModelUsed, attack_to_json, pack
from robust.session.anew import source_of
from robust.session.case import Case, Found, fail
from robust.session.result import Result
from robust.session.workshop import Workshop
from robust.store import private, write

PROCESS = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"  # a folder name that no other process has


def clean_found(workshop: Workshop, case: Case) -> Found:
    """Of the model and the samples: all but the attack."""
    variant, samples = case.variant, case.samples
    subject = Subject(variant.spec.name, variant.training, case.module)
    made = workshop.trained.get(variant)
    return {
        "model_text": variant.spec.text,
        "arch": workshop.settings.arch,
        "data": asdict(DataUsed(workshop.settings.dataset.name, "test", len(samples), samples.digest)),
        "model": asdict(ModelUsed(subject.name, variant.training, subject.weights, subject.params)),
        "seed": case.seed,
        "device": str(device_of(case.module)),
        "batch": workshop.feed(case.module).size,
        "labels": samples.y.tolist(),
        "correct": pack(workshop.clean(case.module, samples).correct),
        "source": source_of(workshop, case),
        "trained": made and {"card": made.card, "path": str(made.path)},
    }


def row_found(workshop: Workshop, case: Case, result: Result) -> Found:
    """Of the attack: its outcomes, and where its inputs wait."""
    found = result.found
    attacked = Attacked(
        name=found.attack,
        options=found.options,
        broken=found.broken,
        forwards=found.forwards,
        backwards=found.backwards,
        seconds=found.seconds,
        stages=found.stages,
        partial=found.partial,
        rounded=found.rounded,
    )
    levels = workshop.dataset.levels if found.rounded is not None else None
    return {
        "threat": result.threat,
        "levels": levels,
        "attack": attack_to_json(attacked),
        "inputs": _spool(workshop, case, result),
    }


def _spool(workshop: Workshop, case: Case, result: Result) -> str | None:
    """Put the adversarial inputs where they wait until the controller makes the record."""
    if workshop.settings.leaderboard is None:
        return None
    file = io.BytesIO()
    np.savez(file, x_adv=result.x_adv, y=case.samples.y, index=case.samples.index)
    digest = hashlib.sha256(f"{case.item.nodeid} {result.attack} {result.threat}".encode()).hexdigest()[:16]
    path = private(workshop.settings.home) / "parts" / PROCESS / f"{digest}.npz"
    try:
        write(path, file.getvalue())
    except OSError as error:
        fail(f"the adversarial inputs could not be written: {error}")
    return str(path)
