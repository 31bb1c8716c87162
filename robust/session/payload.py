"""What an item hands to the session, as JSON can hold it; the adversarial inputs go through a file."""

import hashlib
import os
import platform
import shutil
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from robust.attacks.text import slug
from robust.device import device_of
from robust.evaluation.illustrate import illustrate
from robust.flags import pack
from robust.models.load import Subject
from robust.records.attack_outcome import AttackOutcome, attack_to_json
from robust.records.files import private, write_arrays
from robust.records.record import DataUsed, ModelUsed
from robust.session.case import Case, Found, fail
from robust.session.resources import Resources
from robust.session.result import Result
from robust.session.reverify import source_of
from robust.user_code import describe_user_error
from robust.verification.candidates import Candidates

HOST = slug(platform.node())  # the folder may be shared by machines, which know nothing of each other's processes
OWNER = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()  # who files the row, also of a dead worker
MINE = f"{HOST}-{OWNER}-{uuid.uuid4().hex[:8]}"


def clean_found(resources: Resources, case: Case) -> Found:
    """Of the model and the samples: all but the attack."""
    variant, samples, dataset = case.variant, case.samples, resources.settings.dataset
    subject = Subject(variant.spec.name, variant.training, case.module)
    loaded, (path, card) = resources.subject(variant), resources.cards.get(variant, (None, None))
    return {
        "model_text": variant.spec.text,
        "arch": resources.settings.arch,
        "normalize": resources.settings.normalize,
        "data": asdict(DataUsed(dataset.name, "test", len(samples), samples.digest)),
        "transforms": [*dataset.transforms],
        "model": asdict(ModelUsed(subject.name, variant.training, subject.weights, subject.params)),
        "seed": case.seed,
        "device": str(device_of(case.module)),
        "batch": resources.feed(case.module).size,
        "labels": samples.y.tolist(),
        "correct": pack(resources.clean(case.module, samples).correct),
        "notes": [*loaded.notes] if loaded.module is case.module else [],  # a fixture of the user's may replace it
        "source": source_of(resources, case),
        "trained": card and {"card": card, "path": str(path)},
    }


def row_found(resources: Resources, case: Case, result: Result) -> Found:
    """Of the attack: its outcomes, and where its inputs wait."""
    found = result.found
    attacked = AttackOutcome(
        name=found.attack,
        options=found.options,
        adversarial=found.adversarial,
        forwards=found.forwards,
        backwards=found.backwards,
        seconds=found.seconds,
        stages=found.stages,
        partial=found.partial,
        rounded=found.rounded,
    )
    levels = resources.dataset.levels if found.rounded is not None else None
    return {
        "threat": result.threat,
        "levels": levels,
        "attack": attack_to_json(attacked),
        "inputs": _spool(resources, case, result, pictures := _pictures(resources, case, result)),
        "pictures": [*pictures],
    }


def _pictures(resources: Resources, case: Case, result: Result) -> dict[str, NDArray[Any]]:
    """A few of what was broken, for the page. What goes wrong there costs the row nothing but them."""
    most, dataset = resources.settings.gallery, resources.dataset
    if resources.settings.leaderboard is None or not most or not resources.ranks.first:
        return {}
    try:
        samples, batch = case.samples.take(np.flatnonzero(result.broken)), resources.feed(case.module).size
        bounds = (dataset.lo, dataset.hi)
        candidates = Candidates(result.x_adv, samples.x, samples.y, result.threat, bounds, batch)
        gallery = illustrate(case.module, candidates, result.broken, most=most, seed=case.seed)
    except Exception as error:
        case.warn(f"no pictures under {result.threat}: {describe_user_error(error)}")
        return {}
    return gallery.arrays() if gallery else {}


def _spool(resources: Resources, case: Case, result: Result, pictures: dict[str, NDArray[Any]]) -> str | None:
    """Put the adversarial inputs where they wait until the controller makes the record."""
    if not resources.settings.files or not resources.ranks.first:
        return None
    digest = hashlib.sha256(f"{case.item.nodeid} {result.attack} {result.threat}".encode()).hexdigest()[:16]
    try:
        path = waiting(resources.settings.home) / f"{digest}.npz"
        write_arrays(path, {"x_adv": result.x_adv, "y": case.samples.y, "index": case.samples.index, **pictures})
    except OSError as error:
        fail(f"the adversarial inputs could not be written: {error}")
    return str(path)


def waiting(home: Path) -> Path:
    """The folder of this process; the first time those of sessions that were killed on this machine are removed."""
    parts = private(home) / "parts"
    if not (parts / MINE).exists():
        for folder in parts.glob("*-*-*"):
            host, pid, _ = folder.name.rsplit("-", 2)
            if host == HOST and pid.isdecimal() and not psutil.pid_exists(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)
    return parts / MINE
