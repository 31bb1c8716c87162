"""The samples and the model that a record is of, and how both are spelled in its path."""

import hashlib
import re
from dataclasses import dataclass

from robust.attacks.spec import Spec
from robust.attacks.text import slug

FOLD = re.compile(r"(.*):fold=(\d{1,3})of(\d{1,3})(.*)")  # the name of a fold's data: "digits:fold=2of5"
MAX_NAME = 200  # characters of a part of a path: file systems take 255, and endings are to come


@dataclass(frozen=True)
class DataUsed:
    """The samples that were measured."""

    name: str
    split: str
    n: int
    digest: str  # SHA-256 of their numbers, labels and inputs


@dataclass(frozen=True)
class ModelUsed:
    """The model that was measured."""

    name: str
    training: str  # the recipe that trained it, or "as-is"
    weights: str  # SHA-256 of its parameters and buffers
    params: int

    @property
    def stem(self) -> str:
        """The end of the names of its records: model-training-weights8."""
        training = shorten(Spec.parse(self.training).slug, MAX_NAME - 100)
        return f"{shorten(slug(self.name))}-{training}-{self.weights[:8]}"


def shorten(name: str, most: int = 80) -> str:
    """Return the name of a folder: a long one is cut and ends with a hash of the whole."""
    return name if len(name) <= most else f"{name[: most - 10]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def name_pool(data: str) -> tuple[str, int, int]:
    """Return (the name of a pool, the number of the fold, of how many) for a fold's data; (data, 0, 0) for others."""
    if not (found := FOLD.fullmatch(data)):
        return data, 0, 0
    name, number, of, rest = found.groups()
    return f"{name}:folds={of}{rest}", int(number), int(of)
