"""Where things are on the page: an id for each row and each model, which stays when others come."""

import hashlib
from pathlib import PurePosixPath

from robust.records.record import Record

ModelKey = tuple[str, str, str, str]


def anchor(record: Record) -> str:
    """Of a row."""
    return f"r{_short(record.stem)}"


def model_key(record: Record) -> ModelKey:
    """What rows of one model on one data set have in common."""
    return (record.data.name, record.model.name, record.model.training, record.model.weights)


def model_anchor(key: ModelKey) -> str:
    return f"m{_short(' '.join(key))}"


def files(record: Record) -> tuple[str, str]:
    """The record and its evidence, from the page's folder."""
    place = PurePosixPath("results", f"{record.stem}.json")
    return str(place), str(place.with_suffix(".npz"))


def _short(words: str) -> str:
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:8]
