"""Weights from a file, and into a module."""

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from robust.attacks.text import printable
from robust.models.format import Loaded, Terms, read_model

Weights = dict[str, Tensor]
# What trainings keep weights under, in the order in which they are believed; then running means of them.
WRAPPERS = (
    "state_dict", "model_state_dict", "model_state", "model", "module", "net", "network", "params", "weights",
    "ema", "ema_state_dict", "state_dict_ema", "model_ema", "params_ema",
)  # fmt: skip
PREFIXES = ("module.", "model.", "net.")  # of nn.DataParallel and the like, and of Lightning modules
COMPILED = "_orig_mod."  # of torch.compile, at any depth
DEEPEST = 4  # wrappers or prefixes in each other


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
    given, notes = strip_prefixes(weights, own)
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
        told = (f"{len(names)} {kind} ({join_names(names, 2)})" for kind, names in faults.items() if names)
        raise ValueError(f"weights do not fit: {'; '.join((*told, *notes))}")
    module.load_state_dict(given)
    return notes


def unwrap(found: object) -> Loaded:
    """The state dict or the module in `found`; ValueError where there is none."""
    notes = []
    for _ in range(DEEPEST):
        if not isinstance(found, dict) or _plain(found):
            break
        keys = [key for key in WRAPPERS if isinstance(found.get(key), dict | nn.Module)] or _only(found)
        if not keys:
            break
        also = f"; also there: {', '.join(keys[1:])}" if keys[1:] else ""
        notes.append(f"taken from {keys[0]!r}{also}")
        found = found[keys[0]]
    if isinstance(found, nn.Module):
        return Loaded(found, tuple(notes))
    if not isinstance(found, dict):
        raise ValueError(f"holds a {printable(type(found).__name__)}, not a state dict; save only model.state_dict()")
    if not _plain(found):
        raise ValueError(
            f"holds a dict of {join_names(map(str, found), 4)}, not a plain state dict; save only model.state_dict(), "
            "alone or under 'state_dict'"
        )
    odd = [name for name, tensor in found.items() if tensor.layout is not torch.strided or tensor.is_meta]
    if odd:
        raise ValueError(f"holds tensors that are no plain arrays of numbers: {join_names(odd, 4)}")
    return Loaded(dict(found), tuple(notes))


def _only(found: dict[object, object]) -> list[str]:
    """The key of what alone can be weights: a dict of tensors by names."""
    keys = [str(key) for key, value in found.items() if isinstance(value, dict) and value and _plain(value)]
    return keys if len(keys) == 1 and keys[0] in found else []


def _plain(found: dict[object, object]) -> bool:
    return all(isinstance(key, str) and isinstance(value, Tensor) for key, value in found.items())


def strip_prefixes(weights: Weights, own: Iterable[str]) -> tuple[Weights, tuple[str, ...]]:
    """The weights by the names `own` of the module that they are for, and what was done to theirs.

    Nothing, where some name is right already. What does not have the prefix that the others have is left out.
    """
    own, notes = {*own}, []
    for _ in range(DEEPEST):
        if own & weights.keys() or not own or (names := _shorter(weights)) is None:
            break
        prefix, short = names
        left = [name for name in weights if name not in short]
        notes.append(f"{prefix!r} taken off the names" + (f"; left out: {join_names(left, 4)}" if left else ""))
        weights = {short[name]: tensor for name, tensor in weights.items() if name in short}
    return weights, tuple(notes)


def _shorter(weights: Weights) -> tuple[str, dict[str, str]] | None:
    """What can be taken off, and the names that have it, as they are without it."""
    plain = {name: name.replace(COMPILED, "") for name in weights}
    if any(COMPILED in name for name in plain) and len({*plain.values()}) == len(plain):
        return COMPILED, plain
    for prefix in PREFIXES:
        if short := {name: name.removeprefix(prefix) for name in weights if name.startswith(prefix)}:
            return prefix, short
    return None


def join_names(names: Iterable[str], most: int) -> str:
    """The first of the names, fit for one line."""
    names = [*names]
    return ", ".join(map(printable, names[:most])) + (", ..." if len(names) > most else "")
