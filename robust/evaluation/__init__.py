"""Evaluation: one attack, a suite and its cache, the size of a batch, and the curve of accuracy against eps.

    from robust.evaluation import measure_curve
    curve = measure_curve(model, x, y, "linf")
    curve.distance  # (N,)

Importing this package does not import torch; the names below do, when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robust.evaluation.curve import CurveResult
    from robust.evaluation.curve_tensors import measure_curve

__all__ = ["CurveResult", "measure_curve"]

_HOME = {"CurveResult": "robust.evaluation.curve", "measure_curve": "robust.evaluation.curve_tensors"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
