"""Measure for one test item, and hand what was found to the session."""

import hashlib
import io
import os
import uuid
import warnings
from dataclasses import asdict
from typing import Any, NoReturn

import numpy as np
import pytest
from torch import nn

import robust
from robust.data.dataset import Samples
from robust.evaluate import Finding, measure_attack
from robust.models.load import Subject
from robust.record import Attacked, DataUsed, ModelUsed, attack_to_json, pack
from robust.report.board import percent
from robust.session.workshop import Workshop
from robust.stats import wilson
from robust.store import private, write

MOST_UNCONFIRMED = 0.005  # of the samples: more than float32 rounding in another batch explains

FOUND = pytest.StashKey[dict[str, Any]]()  # on an item: what it measured, as JSON can hold it


class Bench:
    """The measurements of one process."""

    def __init__(self, workshop: Workshop, repeat: str) -> None:
        self.workshop = workshop
        self.repeat = repeat  # the command of this run, without node ids
        self._process = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"

    def clean(self, item: pytest.Item, module: nn.Module, training: str, samples: Samples) -> None:
        clean = self.workshop.clean(module)
        item.stash[FOUND] = self._found(item, module, training, samples)
        _properties(item, clean_percent=percent(int(clean.correct.sum()), len(samples)))
        if clean.faulty:
            _fail(f"the model answered {clean.faulty} of {len(samples)} clean samples with NaN or infinity")

    def attack(
        self, item: pytest.Item, module: nn.Module, training: str, samples: Samples, attack: str, threat: str
    ) -> None:
        settings = self.workshop.settings
        clean, what = self.workshop.clean(module), f"{attack} under {threat}"
        try:
            allowed = self.workshop.threat(threat)
            found = measure_attack(module, samples, clean.correct, attack, allowed, seed=settings.seed)
        except ValueError as error:
            _fail(f"{what} could not be run: {error}")
        # Figures of a model that is at fault are no figures: nothing of them is kept for the record.
        if faulty := clean.faulty or found.faulty:
            _fail(f"the model answered {faulty} of {len(samples)} samples with NaN or infinity ({what})")
        if found.unconfirmed > MOST_UNCONFIRMED * len(samples):
            _fail(
                f"{what}: {found.unconfirmed} of {len(samples)} samples fell, and did not when the same inputs were "
                "shown again: the model's answers are random, or depend on the batch, and no figure can be trusted"
            )
        planned = sum(_row(other) == _row(item) for other in item.session.items)
        part = {"threat": threat, "attack": attack_to_json(_attacked(found)), "planned": planned}
        item.stash[FOUND] = self._found(item, module, training, samples) | part | {"x_adv": self._spool(item, found)}
        self._judge(item, found, clean.correct, what)

    def _found(self, item: pytest.Item, module: nn.Module, training: str, samples: Samples) -> dict[str, Any]:
        workshop, settings = self.workshop, self.workshop.settings
        subject = Subject(workshop.spec(item.path).name, training, module)
        card = workshop.trained.get((item.path, training))
        return {
            "path": str(item.path),
            "data": asdict(DataUsed(settings.dataset.name, "test", len(samples), samples.digest)),
            "model": asdict(ModelUsed(subject.name, training, subject.weights, subject.params)),
            "seed": settings.seed,
            "correct": pack(workshop.clean(module).correct),
            "trained": card and {"card": card.card, "path": str(card.path)},
        }

    def _spool(self, item: pytest.Item, found: Finding) -> str | None:
        """Put the adversarial inputs where they wait until the controller makes the record."""
        if self.workshop.settings.leaderboard is None:
            return None
        file = io.BytesIO()
        np.save(file, found.x_adv, allow_pickle=False)
        digest = hashlib.sha256(item.nodeid.encode()).hexdigest()[:16]
        path = private(self.workshop.settings.home) / "parts" / self._process / f"{digest}.npy"
        try:
            write(path, file.getvalue())
        except OSError as error:
            _fail(f"the adversarial inputs could not be written: {error}")
        return str(path)

    def _judge(self, item: pytest.Item, found: Finding, correct: Any, what: str) -> None:
        n, k = len(correct), int((correct & ~found.broken).sum())
        low, high = wilson(k, n)
        _properties(item, robust_percent=percent(k, n), low_percent=100 * low, high_percent=100 * high, n=n)
        if found.unconfirmed:
            message = f"{what}: {found.unconfirmed} samples fell and did not on a second look; they count as robust"
            warnings.warn(robust.RobustWarning(message), stacklevel=2)
        floor = self.workshop.settings.fail_under
        if floor is not None and percent(k, n) < floor:
            interval = f"95 % interval {100 * low:.1f} to {100 * high:.1f}, {k}/{n}"
            figure = f"robust accuracy {percent(k, n):.1f} % ({interval}) for {what}"
            _fail(f"{figure} is below the required {floor:g} %\nrepeat: {self.repeat} '{item.nodeid}'")


def _row(item: pytest.Item) -> object:
    """What the attacks of one row have in common; None for an item that is no attack."""
    params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return (item.path, params.get("robust_training"), params["threat"]) if "attack" in params else None


def _attacked(found: Finding) -> Attacked:
    return Attacked(found.attack, found.options, found.broken, found.forwards, found.backwards, found.seconds)


def _properties(item: pytest.Item, **figures: float) -> None:
    item.user_properties.extend((f"robust.{name}", round(figure, 4)) for name, figure in figures.items())


def _fail(message: str) -> NoReturn:
    pytest.fail(message, pytrace=False)
