"""From what a checkpoint holds to the weights in it: wrappers are taken off, and it is told which."""

from torch import Tensor

from robust.attacks.spec import printable
from robust.models.format import Loaded


def unwrapped(found: object) -> Loaded:
    """The state dict in `found`; ValueError where there is none."""
    if not isinstance(found, dict):
        raise ValueError(f"holds a {type(found).__name__}, not a state dict; save only model.state_dict()")
    if not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in found.items()):
        keys = some([str(key) for key in found], 4)
        raise ValueError(f"holds a dict of {keys}, not a plain state dict; save only model.state_dict()")
    return Loaded(dict(found))


def some(names: list[str], most: int) -> str:
    """The first of the names, fit for one line."""
    return ", ".join(map(printable, names[:most])) + (", ..." if len(names) > most else "")
