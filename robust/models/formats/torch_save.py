"""Files of torch.save, and other pickles: state dicts, alone or with what else a training keeps; and whole modules.

A pickle is a program. It is read by torch's restricted unpickler, which runs nothing but what it knows to be safe and
what the user names; in full only where the user allows the file to run code. Never one after the other.
"""

import pickle
import pkgutil
import warnings
from collections.abc import Callable
from typing import Any

import torch

from robust.attacks.text import brief, first_line
from robust.models.checkpoint import join_names, unwrap
from robust.models.format import Loaded, Source, Terms, model_format
from robust.models.permissions import Permissions
from robust.models.pickle_scan import MAGIC, PickleNeeds, scan_pickle
from robust.user_code import run_user_code

SOUND = (2, 10)  # the version of torch that mended its restricted unpickler
MOST_NAMES = 8  # in one line


def _told(source: Source) -> bool:
    """The archive of torch.save and no program, or a bare pickle."""
    program = any(name.endswith(("/constants.pkl", "/archive_format")) for name in source.members)
    packed = any(name.endswith("/data.pkl") for name in source.members)
    return source.head[:1] == b"\x80" or (packed and not program)


@model_format("torch-save", "a file of torch.save", _told)
def read(source: Source, terms: Terms) -> Loaded:
    """The state dict or the module in it, out of its wrappers."""
    if terms.allowed.runs(source.path):
        here, below = source.path.parent, terms.allowed.folder
        return unwrap(run_user_code(lambda: _unpickle(source), here, below))
    loaded = unwrap(_restricted(source, terms.allowed))
    return Loaded(loaded.content, loaded.notes + _warning())


def _warning() -> tuple[str, ...]:
    version = torch.__version__
    if tuple(map(int, version.split(".")[:2])) >= SOUND:
        return ()
    return (f"torch {version} can be harmed by a forged pickle (CVE-2026-24747): prefer safetensors, or torch 2.10",)


def _unpickle(source: Source) -> object:
    with source.path.open("rb") as file:
        if source.members or source.head.startswith(MAGIC):
            return torch.load(file, map_location="cpu", weights_only=False)
        return pickle.load(file)


def _restricted(source: Source, allowed: Permissions) -> object:
    safe = [(_resolved(name, allowed), name) for name in allowed.safe_globals]
    # An open file, since for a path torch goes by the suffix. The warnings are of the loader's own housekeeping.
    with source.path.open("rb") as file, warnings.catch_warnings(), torch.serialization.safe_globals([*safe]):
        warnings.simplefilter("ignore")
        found = scan_pickle(source, allowed.safe_globals)
        if found.names:
            raise ValueError(_refusal(source, found, allowed))
        if found.fault:
            raise ValueError(f"is not a sound file of torch.save: {brief(found.fault)}")
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            raise ValueError(_refusal(source, found, allowed)) from None
        except Exception as error:  # a damaged file raises anything
            told = first_line(error)
            raise ValueError(f"is not a sound file of torch.save: {brief(told)}") from None


def _resolved(name: str, allowed: Permissions) -> Callable[..., Any]:
    """What the user calls by that name, which imports its module."""
    try:
        found: Callable[..., Any] = run_user_code(lambda: pkgutil.resolve_name(name), allowed.folder)
    except ValueError as error:
        raise ValueError(f"--robust-safe-globals={name}: {error}") from None
    return found


def _refusal(source: Source, found: PickleNeeds, allowed: Permissions) -> str:
    """What stops the restricted unpickler, and what the user can do."""
    names = join_names(found.names, MOST_NAMES)
    what = f"needs {names}, not known to be safe to unpickle" if names else "holds what is not safe to unpickle"
    if found.grave:
        what = f"needs {names}, which act on the machine and which no weights need"
    narrow = found.names if found.offered and not found.grave and len(found.names) <= MOST_NAMES else ()
    save = 'save only the weights: torch.save(model.state_dict(), "weights.pt")'
    if any(name.startswith("sklearn.") for name in found.names):
        save = "test it by a function of yours that loads it: --robust-model=blackbox:FILE.py:FACTORY"
    return "; ".join([f"{what}, so it was not loaded", save, *allowed.ways(source.path, narrow)])
