"""The registries of the zoo, and of the ways to pack weights: collecting tests asks them, and imports no torch."""

from typing import TYPE_CHECKING, Protocol

from robust.attacks.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn


class Architecture(Protocol):
    """A function or class that makes an untrained module; its other arguments are the user's options."""

    def __call__(self, shape: tuple[int, ...], classes: int, /) -> "nn.Module":
        """Return a module that takes (n, *shape) and returns logits (n, classes); UnfitError if it cannot be made."""
        ...


class Packing(Protocol):
    """A function that makes a packed copy of a float module."""

    def __call__(self, module: "nn.Module", x: "Tensor", /) -> "nn.Module":
        """Return the copy, calibrated on the inputs x, (n, *shape), where it measures activations."""
        ...


class UnfitError(ValueError):
    """An architecture does not fit the shape of the data, or an option."""


ARCHITECTURES: Registry[Architecture] = Registry("architecture", ("robust.models.zoo",), "robust.models")
PACKINGS: Registry[Packing] = Registry("packing", ("robust.models.packings",), "robust.packings")


def check_whole(**options: object) -> None:
    """Raise UnfitError for an option that is not a whole number of at least 1."""
    for name, value in options.items():
        if type(value) is not int or value < 1:
            raise UnfitError(f"{name} must be a whole number of at least 1, got {value!r}")
