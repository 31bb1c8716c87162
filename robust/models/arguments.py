"""The names of the arguments that a model's function takes."""

import inspect

from robust.models.factories import find_user_factory
from robust.models.registry import ARCHITECTURES
from robust.models.spec import ModelSpec


def list_arguments(spec: ModelSpec) -> tuple[str, ...] | None:
    """Return the names of the arguments that a spec can give; None if any can be given, or nothing tells them.

    ValueError or LookupError, in one line, if there is no such function.
    """
    assert spec.factory is not None
    if spec.library not in (None, "zoo"):
        return None
    make = ARCHITECTURES.get(spec.factory) if spec.library else find_user_factory(spec)
    try:
        parameters = [*inspect.signature(make).parameters.values()]
    except ValueError:  # a callable whose signature is not known
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    given = parameters[2:] if spec.library else parameters  # of the zoo the first two are the data's
    return tuple(p.name for p in given if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
