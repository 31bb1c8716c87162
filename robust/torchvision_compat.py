"""Importing torchvision, also beside a CPU-only torch. No other module of the project imports it.

PyPI's torchvision wheels are built for the CUDA torch. Beside a CPU-only torch their compiled part does not load, and
`import torchvision` ends in "operator torchvision::nms does not exist". Models, transforms and data sets need nothing
of the compiled part: with the schemas of the two operators that the import asks for, everything else works.
"""

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import TypeVar

import torch

T = TypeVar("T")

SYMPTOM = "operator torchvision::nms does not exist"
_fragments: list[torch.library.Library] = []  # a library lives as long as its object


def with_torchvision(load: Callable[[], T]) -> T:
    """Return `load()`, which may import torchvision; it is called again if only the symptom stopped it."""
    try:
        return load()
    except Exception as error:
        if not _is_symptom(error):
            raise
    _register_schemas()
    return load()


def _is_symptom(error: BaseException | None) -> bool:
    """Whether the error is the symptom, or was caused by it: transformers turns it into an ImportError."""
    if error is None or (isinstance(error, RuntimeError) and SYMPTOM in str(error)):
        return error is not None
    return _is_symptom(error.__cause__ or error.__context__)


def import_torchvision(module: str = "torchvision") -> ModuleType:
    """Return torchvision or one of its modules ("torchvision.models"), also beside a CPU-only torch."""
    return with_torchvision(lambda: importlib.import_module(module))


def _register_schemas() -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    _fragments.append(library)
