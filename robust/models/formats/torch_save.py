"""Files of torch.save, and other pickles: state dicts, alone or with the rest of a training's state, and whole modules.

A pickle is a program. It is read by torch's restricted unpickler, which accepts only names that are known to be safe or
that the user permits; without restrictions only if the user permits the file to run code. The one never follows a
failure of the other.
"""

import pickle
import pkgutil
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from robust.attacks.text import brief, first_line
from robust.models.checkpoint import BY_FUNCTION, join_names, unwrap
from robust.models.format import Loaded, Source, Terms, model_format
from robust.models.permissions import Permissions
from robust.models.pickle_scan import MAGIC, PickleNeeds, scan_pickle
from robust.user_code import run_user_code

SOUND = (2, 10)  # the version of torch that repaired its restricted unpickler
MAX_NAMES = 8  # in one line
DTYPE = "numpy.dtype"  # of the numbers that numpy left in a checkpoint
PACKED = ("torch.ScriptObject", "torch.ao.", "torch._C.ScriptObject", "torchao.")  # of quantised models


def _matches(source: Source) -> bool:
    """Whether the file is an archive of torch.save that is no program, or a bare pickle."""
    program = any(name.endswith(("/constants.pkl", "/archive_format")) for name in source.members)
    packed = any(name.endswith("/data.pkl") for name in source.members)
    bare = source.head[:1] == b"\x80" and not source.has_header
    return bare or (packed and not program)


@model_format("torch-save", "a file of torch.save", _matches, alone=True)
def read(source: Source, terms: Terms) -> Loaded:
    """Return the state dict or the module in the file, without its wrappers; ValueError if it may not be unpickled."""
    permissions = terms.permissions
    if permissions.allows_code(source.path):
        return _check_sound(unwrap(run_user_code(lambda: _unpickle(source), source.path.parent, permissions.folder)))
    loaded = _check_sound(unwrap(_unpickle_restricted(source, permissions)))
    return Loaded(loaded.content, loaded.notes + _version_notes())


def _check_sound(loaded: Loaded) -> Loaded:
    """Return what was loaded; ValueError for a module that was not pickled whole, as some quantised ones."""
    if isinstance(loaded.content, nn.Module):
        try:
            loaded.content.state_dict()
        except Exception as error:  # a user's code may raise anything
            raise ValueError(f"does not hold the whole module: {brief(first_line(error))}; {BY_FUNCTION}") from error
    return loaded


def _version_notes() -> tuple[str, ...]:
    version = torch.__version__
    if tuple(map(int, version.split(".")[:2])) >= SOUND:
        return ()
    return (f"torch {version} can be harmed by a forged pickle (CVE-2026-24747): prefer safetensors, or torch 2.10",)


def _unpickle(source: Source) -> object:
    with source.path.open("rb") as file:
        if source.members or source.head.startswith(MAGIC):
            return torch.load(file, map_location="cpu", weights_only=False)
        return pickle.load(file)


def _unpickle_restricted(source: Source, permissions: Permissions) -> object:
    safe: list[Any] = [(_import_global(name, permissions), name) for name in permissions.safe_globals]
    if DTYPE in permissions.safe_globals:
        safe += [type(np.dtype(character)) for character in np.typecodes["All"]]  # which the unpickler asks for, too
    # The file is opened here, since torch would judge a path by its suffix. The loader's warnings are internal.
    with source.path.open("rb") as file, warnings.catch_warnings(), torch.serialization.safe_globals([*safe]):
        warnings.simplefilter("ignore")
        needs = scan_pickle(source, permissions.safe_globals)
        if needs.names:
            raise ValueError(_describe_refusal(source, needs, permissions))
        if needs.fault:
            raise ValueError(f"is not a sound file of torch.save: {brief(needs.fault)}")
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            raise ValueError(_describe_refusal(source, needs, permissions)) from None
        except Exception as error:  # a damaged file raises anything
            raise ValueError(f"is not a sound file of torch.save: {brief(first_line(error))}") from None


def _import_global(name: str, permissions: Permissions) -> Callable[..., Any]:
    """Import the module of a name that the user permits, and return the named object."""
    try:
        imported: Callable[..., Any] = run_user_code(lambda: pkgutil.resolve_name(name), permissions.folder)
    except ValueError as error:
        raise ValueError(f"--robust-safe-globals={name}: {error}") from None
    return imported


def _describe_refusal(source: Source, needs: PickleNeeds, permissions: Permissions) -> str:
    """Return one line on what stops the restricted unpickler, and what the user can do."""
    names = join_names(needs.names, MAX_NAMES)
    fault = f"needs {names}, not known to be safe to unpickle" if names else "holds what is not safe to unpickle"
    if needs.grave:
        fault = f"needs {names}, which act on the machine and which no weights need"
    narrow = needs.names if needs.offered and not needs.grave and len(needs.names) <= MAX_NAMES else ()
    save = 'save only the weights: torch.save(model.state_dict(), "weights.pt")'
    if any(name.startswith("sklearn.") for name in needs.names):
        save = "test it by a function of yours that loads it: --robust-model=blackbox:FILE.py:FACTORY"
    if any(name.startswith("joblib.") for name in needs.names):  # torch cannot read it, with or without permission
        return f"is a file of joblib, so it was not loaded; {save}, or load it in a function of yours: FILE.py:FACTORY"
    if any(name.startswith(PACKED) for name in needs.names):  # other permissions would not load every such model
        return f"{fault}, so it was not loaded; {BY_FUNCTION}"
    return "; ".join([f"{fault}, so it was not loaded", save, *permissions.suggest_options(source.path, narrow)])
