"""Weights from a file, and into a module."""

from pathlib import Path

from torch import nn

from robust.models.format import Terms, read_model
from robust.models.unwrap import Weights, some, without_prefixes


def read_weights(path: Path) -> Weights:
    """The state dict in `path`, without running a byte of it. ValueError says what else the file is."""
    content = read_model(path, Terms()).content
    if isinstance(content, nn.Module):
        raise ValueError("is a whole model, expected a state dict; save only model.state_dict()")
    return content


def fit_weights(module: nn.Module, weights: Weights) -> tuple[str, ...]:
    """Load `weights` into `module`, by its own names or behind a prefix; returns what was done to the names.

    ValueError lists what is missing, unexpected, or of another shape or kind of number.
    """
    own = module.state_dict()
    given, notes = without_prefixes(weights, own)
    both = own.keys() & given.keys()
    faults = {
        "missing": sorted(own.keys() - given.keys()),
        "unexpected": sorted(given.keys() - own.keys()),
        "of another shape": [
            f"{name} {list(given[name].shape)} in the file, {list(own[name].shape)} in the model"
            for name in sorted(both)
            if given[name].shape != own[name].shape
        ],
        "of complex numbers": [name for name in sorted(both) if given[name].is_complex() > own[name].is_complex()],
    }
    if any(faults.values()):
        told = (f"{len(names)} {kind} ({some(names, 2)})" for kind, names in faults.items() if names)
        raise ValueError(f"weights do not fit: {'; '.join((*told, *notes))}")
    module.load_state_dict(given)
    return notes
