"""Weights from a file, and into a module."""

from pathlib import Path

from torch import Tensor, nn

from robust.models.format import Terms, read_model
from robust.models.unwrap import some

Weights = dict[str, Tensor]


def read_weights(path: Path) -> Weights:
    """The state dict in `path`, without running a byte of it. ValueError says what else the file is."""
    content = read_model(path, Terms()).content
    if isinstance(content, nn.Module):
        raise ValueError("is a whole model, expected a state dict; save only model.state_dict()")
    return content


def fit_weights(module: nn.Module, weights: Weights) -> None:
    """Load `weights` into `module`; ValueError lists what is missing, unexpected or of another shape."""
    own = module.state_dict()
    both = own.keys() & weights.keys()
    faults = {
        "missing": sorted(own.keys() - weights.keys()),
        "unexpected": sorted(weights.keys() - own.keys()),
        "of another shape": [
            f"{name} {list(weights[name].shape)} in the file, {list(own[name].shape)} in the model"
            for name in sorted(both)
            if weights[name].shape != own[name].shape
        ],
    }
    if any(faults.values()):
        told = (f"{len(names)} {kind} ({some(names, 2)})" for kind, names in faults.items() if names)
        raise ValueError(f"weights do not fit: {'; '.join(told)}")
    module.load_state_dict(weights)
