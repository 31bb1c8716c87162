"""The float networks that compressed models came from, as their cards name them."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import nn

from robust.attacks.rng import seeded
from robust.models.compressed import CARD, Card, read_card
from robust.models.load import Subject, load, place
from robust.models.spec import ModelSpec
from robust.models.traits import is_queried
from robust.models.twinned import is_twinned
from robust.session.resources import Resources
from robust.settings.settings import Variant
from robust.train.recipe import AS_IS


def find_card(variant: Variant) -> Card | None:
    """Return the card of a model of robust compress; None of another, or of one that a recipe trains."""
    path = variant.spec.path
    is_one = variant.training == AS_IS and variant.spec.factory is None and (path / CARD).is_file()
    return _read_once(path, (path / CARD).stat().st_mtime_ns) if is_one else None


@lru_cache(64)
def _read_once(path: Path, changed: int) -> Card:
    """Read a card: its files are hashed, which each test of a large model need not do again."""
    del changed
    return read_card(path)


def describe_compressed(variant: Variant, module: nn.Module) -> dict[str, Any] | None:
    """Return what a record keeps of a compressed model, and of the road of its attacks; None of another."""
    if (card := find_card(variant)) is None:
        return None
    return {
        "how": card.how,
        "model": card.source.model,
        "weights": card.source.weights,
        "bytes": card.bytes,
        "float_bytes": card.source.bytes,
        "road": "twin" if is_twinned(module) else "queries" if is_queried(module) else "own",
    }


class FloatModels:
    """The float networks of one process, each loaded once."""

    def __init__(self, resources: Resources) -> None:
        self._settings = resources.settings
        self._models = resources.models
        self._data = resources.data
        self._loaded: dict[Variant, Subject] = {}

    def load(self, variant: Variant, card: Card) -> tuple[Variant, Subject]:
        """Return the float network that a compressed model came from, as it was when it was compressed.

        If it is a model of the run, it is that one. ValueError or LookupError, in one line, if it is not there.
        """
        known = [other for other in self._settings.everything if other.training == AS_IS and not other.spec.answers]
        for other in known:
            if other != variant and (subject := self._models.load(other)).weights == card.source.weights:
                return other, subject
        below = Path(os.path.normpath(variant.spec.path / card.source.below))
        source = Variant(ModelSpec.parse(card.source.model, below), AS_IS)
        if source not in self._loaded:
            with seeded(card.seed, [self._models.device]):
                subject = load(source.spec, card.source.arch, below, self._models.make_terms(self._data.classes))
            if subject.weights != card.source.weights:
                raise ValueError("has other weights than when it was compressed; run robust compress again")
            place(subject.module, self._models.device)
            self._loaded[source] = subject
        return source, self._loaded[source]
