"""PerModule: a value for each module, by the module itself."""

from collections.abc import Callable
from typing import Generic, TypeVar

from torch import nn

T = TypeVar("T")


class PerModule(Generic[T]):
    """A value for each module. Two modules that compare equal are two, and a module without a hash is one, too.

    The modules are kept, so that none that comes later is taken for one that is gone.
    """

    def __init__(self) -> None:
        self._values: dict[int, tuple[nn.Module, T]] = {}

    def get(self, module: nn.Module, make: Callable[[], T]) -> T:
        """Return the module's value, which `make` makes the first time."""
        if id(module) not in self._values:
            self._values[id(module)] = (module, make())
        return self._values[id(module)][1]

    def find(self, module: nn.Module) -> T | None:
        """Return the module's value; None if there is none yet."""
        return self._values[id(module)][1] if id(module) in self._values else None
