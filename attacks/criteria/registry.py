"""The criteria by name, and how they are read from text: "class", "within:50", "labels:any=3,5".

No torch in this file: collecting tests reads criteria.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from robust.attacks.registry import Registry
from robust.attacks.spec import Spec

if TYPE_CHECKING:
    from robust.attacks.criteria.criterion import Criterion, LabelKind

DEFAULT = "class"
SHARED = ("criterion", "registry")  # files of the folder that hold no criterion


class _Criteria(Registry[Any]):
    """Classes of criteria, made from a spec by `from_spec`."""

    def _files(self) -> dict[str, str]:
        """Return the modules by name; that of `class`, which no module may be called, is classification.py."""
        files = {name: module for name, module in super()._files().items() if name not in SHARED}
        files[DEFAULT] = files.pop("classification")
        return files


CRITERIA = _Criteria("criterion", ("robust.attacks.criteria",), "robust.criteria")


@lru_cache(256)
def read_criterion(text: str) -> "Criterion":
    """Return a criterion; raise LookupError for an unknown name, and ValueError for what else is wrong with it."""
    spec = Spec.parse(text)
    criterion: Criterion = CRITERIA.get(spec.name).from_spec(spec)
    return criterion


def find_criterion(text: str) -> "Criterion | None":
    """Return the criterion of a record, which a stranger may have made; None if it is not known here."""
    try:
        return read_criterion(text)
    except (LookupError, ValueError):
        return None


def canonical_criterion(text: str) -> str:
    """Return a criterion in its canonical spelling; raise as `read_criterion` does."""
    return DEFAULT if text == DEFAULT else str(read_criterion(text))  # without torch


def label_kind(text: str) -> "LabelKind":
    """Return the kind of labels that a criterion is for."""
    return "class" if text == DEFAULT else read_criterion(text).labels  # without torch
