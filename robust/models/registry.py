"""The model zoo by name. No torch in this file: collecting tests asks it for names."""

from typing import TYPE_CHECKING, Protocol

from robust.attacks.registry import Registry

if TYPE_CHECKING:
    from torch import nn


class Architecture(Protocol):
    """A function or class that makes an untrained module; its further arguments are the user's options."""

    def __call__(self, shape: tuple[int, ...], classes: int, /) -> "nn.Module":
        """A module that takes (n, *shape) and returns (n, classes) logits; UnfitError where it cannot."""
        ...


class UnfitError(ValueError):
    """An architecture does not go with the shape of the data, or with an option."""


ARCHITECTURES: Registry[Architecture] = Registry("architecture", ("robust.models.zoo",), "robust.models")


def check_whole(**options: object) -> None:
    """UnfitError for an option that is not a whole number of at least 1."""
    for name, value in options.items():
        if type(value) is not int or value < 1:
            raise UnfitError(f"{name} must be a whole number of at least 1, got {value!r}")
