"""Packings: ways to store a network's weights in fewer bits. Each is one file in robust/models/packings.

A packing is a function of a float module and some inputs, (n, *shape), that calibrate it where activations count.
It returns a packed copy, and leaves the module as it is.
"""

import copy
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from robust.models.registry import PACKINGS

LINEAR = (nn.Linear,)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def pack(name: str, module: nn.Module, x: Tensor) -> nn.Module:
    """Return a packed copy of a float module, in evaluation mode; `name` is that of a packing, as "int8-static".

    ValueError, in one line, if it has no layer for it, or does not answer once it is packed.
    """
    make = PACKINGS.get(name)
    with quietly():
        packed = make(module.eval(), x).eval()
        try:
            packed(x[:2])
        except Exception as error:  # a user's code may raise anything
            fault = str(error).strip().partition("\n")[0]
            raise ValueError(f"does not answer once it is packed as {name}: {fault}") from error
    return packed.requires_grad_(False)


def swap_layers(
    module: nn.Module, kinds: tuple[type[nn.Module], ...], make: Callable[[nn.Module], nn.Module]
) -> nn.Module:
    """Return a copy of the module in which `make` replaces each layer of exactly these classes.

    A layer that stands in several places becomes several, with scales of their own. A subclass is left alone, since it
    may use its weights otherwise.
    ValueError if there is no such layer.
    """
    if not any(type(part) in kinds for part in module.modules()):
        names = ", ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"has no layer that could be packed so; expected one of {names}")
    visited: set[int] = set()

    def visit(part: nn.Module) -> nn.Module:
        if type(part) in kinds:
            return make(copy.deepcopy(part))
        if id(part) not in visited:
            visited.add(id(part))
            for name, child in part.named_children():
                setattr(part, name, visit(child))
        return part

    return visit(copy.deepcopy(module))


@contextmanager
def quietly() -> Iterator[None]:
    """Keep back the warnings of the libraries: most tell of their own deprecation, which no user of ours can mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def silently() -> Iterator[None]:
    """Keep back what the libraries log: advice on files of theirs, and kernels that are for other machines."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
