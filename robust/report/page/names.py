"""The ids of rows and models on the page, which do not change when others are added."""

import hashlib
from pathlib import PurePosixPath

from robust.records.record import Record

ModelKey = tuple[str, str, str, str]


def anchor(record: Record) -> str:
    """Return the id of a row."""
    return f"r{_hash(record.stem)}"


def model_key(record: Record) -> ModelKey:
    """Return the key that rows of one model on one data set share."""
    return (record.data.name, record.model.name, record.model.training, record.model.weights)


def model_anchor(key: ModelKey) -> str:
    """Return the id of a model."""
    return f"m{_hash(' '.join(key))}"


def hash_model(key: ModelKey) -> int:
    """Return a number of 32 bits that is a model's own."""
    return int(_hash(" ".join(key)), 16)


def files(record: Record) -> tuple[str, str]:
    """Return the paths of the record and its evidence, relative to the page."""
    place = PurePosixPath("results", f"{record.stem}.json")
    return str(place), str(place.with_suffix(".npz"))


def _hash(words: str) -> str:
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:8]
