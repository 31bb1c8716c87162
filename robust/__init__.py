"""pytest-robust: adversarial robustness tests for PyTorch models, from pytest. Importing it imports no torch."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0.dev0"

_HOME = {"tune": "robust.commands.tune"}  # imported when first used, since it imports torch


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_HOME[name]), name)
    except ModuleNotFoundError as error:
        if error.name not in ("optuna", "sklearn"):
            raise
        raise ImportError(f"robust.{name} needs {error.name}; pip install 'pytest-robust[tune]'") from error
