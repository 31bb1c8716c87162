"""Weights from a file, without running a byte of it: safetensors, and the state dicts of torch.save.

A checkpoint is a program where it is unpickled in full, so that is never done (CVE-2025-32434, CVE-2026-24747).
"""

import pickle
import re
import warnings
import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn

from robust.attacks.spec import printable

Weights = dict[str, Tensor]


def read_weights(path: Path) -> Weights:
    """The state dict in `path`, told by its content. ValueError says what else the file is, and what to do about it."""
    with path.open("rb") as file:
        head = file.read(9)
    if head.startswith(b"PK\x03\x04"):
        _refuse_programs(path)
    elif head[8:] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        return _read_safetensors(path)
    elif not head.startswith(b"\x80"):
        raise ValueError("is neither safetensors nor a file of torch.save")
    return _read_pickle(path)


def _read_safetensors(path: Path) -> Weights:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"is not a sound safetensors file: {error}") from None


def _refuse_programs(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception as error:  # a damaged archive raises anything
        raise ValueError(f"is not a sound zip archive: {printable(str(error))}") from None
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        raise ValueError("is a TorchScript program, which runs code; save model.state_dict() and give --robust-arch")
    if any(name.endswith("archive_format") or "/models/" in name for name in names):
        raise ValueError("is a torch.export program, which runs code; save model.state_dict() and give --robust-arch")


def _read_pickle(path: Path) -> Weights:
    try:
        # An open file, since for a path torch goes by the suffix. The warnings are of the loader's own housekeeping.
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        name = re.search(r"GLOBAL (\S+)", str(error))
        needs = f"needs {printable(name[1])}, which is" if name else "holds what is"
        raise ValueError(
            f"{needs} not safe to unpickle, so it was not loaded; "
            'save only the weights: torch.save(model.state_dict(), "weights.pt")'
        ) from None
    except Exception as error:  # a damaged file raises anything
        told = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"is not a sound file of torch.save: {printable(told)}") from None
    return _state_dict(found)


def _state_dict(found: object) -> Weights:
    if not isinstance(found, dict):
        raise ValueError(f"holds a {type(found).__name__}, not a state dict; save only model.state_dict()")
    if not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in found.items()):
        keys = _some([str(key) for key in found], 4)
        raise ValueError(f"holds a dict of {keys}, not a plain state dict; save only model.state_dict()")
    return dict(found)


def _some(names: list[str], most: int) -> str:
    return ", ".join(map(printable, names[:most])) + (", ..." if len(names) > most else "")


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
        told = (f"{len(names)} {kind} ({_some(names, 2)})" for kind, names in faults.items() if names)
        raise ValueError(f"weights do not fit: {'; '.join(told)}")
    module.load_state_dict(weights)
