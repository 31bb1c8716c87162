"""Several inputs given to the drivers, as a dict or a tuple of tensors: attacks see rows, and the model its parts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from robust.attacks.drawn import Drawn
from robust.attacks.layout import Layout
from robust.attacks.threats.product import Product

Several = Mapping[str, Tensor] | Sequence[Tensor]


class OnRows(nn.Module):
    """A model of several inputs as one of rows, (n, features)."""

    def __init__(self, model: Callable[..., Any], layout: Layout) -> None:
        super().__init__()
        self.model = model
        self.layout = layout
        if not isinstance(model, nn.Module):
            self.eval()

    def forward(self, rows: Tensor) -> Any:
        """Return the model's answer to the parts of the rows, given by name or by position."""
        parts = self.layout.unpack(rows)
        return self.model(**parts) if self.layout.named else self.model(*parts.values())


def pack_inputs(model: object, x: Several, threat: object) -> tuple[nn.Module, Tensor, Layout]:
    """Return (the model as one of rows, the inputs as rows, their layout), as the threat model says.

    Raise TypeError or ValueError, in one line, for a threat model that is of one input, and for other inputs than its.
    """
    parts = getattr(threat, "parts", ())
    if not parts or not all(isinstance(part, Product) for part in parts):
        give = "Product.parse('image=linf:8/255;meta=linf:0.1', x)"
        raise TypeError(f"the inputs are several, and the threat model is of one; give {give}, with parts of x")
    layout: Layout = parts[0].layout
    if any(part.layout != layout for part in parts):
        raise ValueError("the parts of the union are products for other inputs; make all of them of the same")
    if not callable(model):
        raise TypeError(f"the model is of type {type(model).__name__}, expected a function from inputs to logits")
    if isinstance(model, Drawn):
        return Drawn(OnRows(model.inner, layout), model.draws, model.labels), layout.pack(x), layout
    return OnRows(model, layout), layout.pack(x), layout


def unpack_rows(layout: Layout, rows: Tensor) -> Any:
    """Return rows as the user's inputs: a dict by name, or a tuple."""
    return layout.arrange(layout.unpack(rows))
