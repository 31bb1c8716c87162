"""Functions of the user's that make models: they are found, called with their arguments, and their faults are named."""

import inspect
import warnings
from collections.abc import Callable

import torch
from torch import nn

from robust.models.blackbox import can_answer
from robust.models.registry import UnfitError
from robust.models.spec import ModelSpec
from robust.torchvision_compat import with_torchvision
from robust.user_code import as_program, describe_user_error, explain_warning, import_file, import_module, look_up


def find_user_factory(spec: ModelSpec) -> Callable[..., object]:
    """Return the function or class that a spec names; ValueError or LookupError, in one line, if there is none."""
    assert spec.factory is not None
    module = import_module(spec.module, spec.path) if spec.module else import_file(spec.path)
    make = look_up(module, spec.factory, spec.path.name)
    if isinstance(make, nn.Module):
        raise ValueError(f"{spec.text} is a module; name a function that returns it")
    if not callable(make):
        raise ValueError(f"{spec.text} is a {type(make).__name__}, expected a function or class that makes the model")
    factory: Callable[..., object] = make
    return factory


def make_module(what: str, make: Callable[..., object], *args: object, **options: object) -> nn.Module:
    """Return the module that a factory makes; ValueError, in one line, if it makes none."""
    made = call_factory(what, make, *args, **options)
    if isinstance(made, torch.export.ExportedProgram):
        made = made.module()
    if not isinstance(made, nn.Module):
        raise ValueError(f"{what} returned {type(made).__name__}, expected torch.nn.Module{_advise(what, made)}")
    return made


def call_factory(what: str, make: Callable[..., object], *args: object, **options: object) -> object:
    """Return what a factory returns; ValueError, in one line, if it cannot be called so, or fails."""
    try:
        inspect.signature(make).bind(*args, **options)
    except TypeError as error:
        example = f"{what.partition('(')[0]}(width=2)"
        raise ValueError(f"{what} cannot be called so: {error}; arguments are written as {example}") from None
    except ValueError:
        pass  # a callable whose signature is not known
    try:
        with as_program(what.partition(":")[0]), warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"torch\.")  # torch's of itself
            return with_torchvision(lambda: make(*args, **options))
    except UnfitError as error:
        raise ValueError(f"{what}: {error}") from None
    except (Exception, SystemExit) as error:
        reason = "; ".join(filter(None, (describe_user_error(error), explain_warning(error))))
        raise ValueError(f"{what} failed: {reason}") from error


def _advise(what: str, made: object) -> str:
    """Return what to do about what a factory returned in place of a module."""
    if made is None:
        return "; end it with return"
    if isinstance(made, tuple | list) and any(isinstance(part, nn.Module) for part in made):
        return "; return the module alone"
    return f"; a model that only answers is written blackbox:{what}" if can_answer(made) else ""
