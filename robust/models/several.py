"""Models of several inputs: the rows that attacks see become the parts that the model takes, by name or by position."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from robust.attacks.layout import Layout
from robust.models.compiled import MARK


class Unpacking:
    """The forward of a module of several inputs: it takes rows, (n, features), or whatever the module itself takes."""

    def __init__(self, forward: Callable[..., Any], layout: Layout) -> None:
        self.forward = forward
        self.layout = layout
        if hasattr(forward, MARK):
            setattr(self, MARK, getattr(forward, MARK))  # so that what torch.compile made is still known

    def __call__(self, *given: Any, **named: Any) -> Any:
        rows = given[0] if len(given) == 1 and not named else None
        if not isinstance(rows, Tensor) or tuple(rows.shape[1:]) != (self.layout.features,):
            return self.forward(*given, **named)
        parts = self.layout.unpack(rows)
        return self.forward(**parts) if self.layout.named else self.forward(*parts.values())


def unpack_inputs(module: nn.Module, layout: Layout | None) -> tuple[str, ...]:
    """Let a module take rows in place of its several inputs; return a note on how it is called, if it has several."""
    if layout is None:
        return ()
    if not isinstance(module.forward, Unpacking):  # a factory may return the same module twice
        setattr(module, "forward", Unpacking(module.forward, layout))  # noqa: B010 -- a method, to mypy
    how = ", ".join(f"{name}=..." for name in layout.names) if layout.named else f"{len(layout.parts)} inputs in order"
    return (f"it is called with {how}",)
