"""The protocol of threat models, and how they are read from text.

Shapes: `x` and `x_adv` are (N, *features) of any rank; sizes and verdicts are (N,).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from torch import Tensor

from robust.attacks.grammar.corruption import CORRUPTION
from robust.attacks.grammar.features import FEATURES
from robust.attacks.grammar.patch import PATCH
from robust.attacks.grammar.pixels import PIXELS
from robust.attacks.grammar.product import PRODUCT
from robust.attacks.grammar.spatial import SPATIAL
from robust.attacks.grammar.universal import UNIVERSAL
from robust.attacks.layout import Layout
from robust.attacks.rng import Rng
from robust.attacks.threats.corruption import CorruptionThreat, Pictures
from robust.attacks.threats.features import FeaturesThreat
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.patch import PatchThreat
from robust.attacks.threats.pixels import PixelThreat
from robust.attacks.threats.product import Product
from robust.attacks.threats.spatial import SpatialThreat
from robust.attacks.threats.transform import Transform
from robust.attacks.threats.union import Union
from robust.attacks.words import family_of

# A threat model that is no union.
Part = LpThreat | PixelThreat | FeaturesThreat | Product | PatchThreat | Transform | CorruptionThreat

# Of the families that are no ball: (text, lo, hi) -> the threat model
READERS: dict[str, Callable[[str, float, float], Part]] = {
    CORRUPTION: CorruptionThreat.parse,
    FEATURES: FeaturesThreat.parse,
    PATCH: PatchThreat.parse,
    PIXELS: PixelThreat.parse,
    UNIVERSAL: PatchThreat.parse,
    SPATIAL: SpatialThreat.parse,
}


class Threat(Protocol):
    """A set of admitted inputs around every x. `str` of a threat is its canonical spelling."""

    @property
    def parts(self) -> "tuple[Part, ...]":
        """Return the threat models whose union this is; a sample is adversarial if it is under any of them."""
        ...

    @property
    def lo(self) -> float:
        """Return the lower bound of every feature."""
        ...

    @property
    def hi(self) -> float:
        """Return the upper bound of every feature."""
        ...

    @property
    def keeps_missing(self) -> bool:
        """Whether NaN is a missing value, which stays missing; elsewhere it is no input."""
        ...

    def sample(self, x: Tensor, rng: Rng) -> Tensor:
        """Draw a random admitted input for every x, (N, *features)."""
        ...

    def admits(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Mark the `x_adv` that an attacker may use in place of `x`, (N,) bool; False where anything is not finite."""
        ...


def read_threat(text: str, lo: float = 0.0, hi: float = 1.0, layout: Layout | None = None) -> Part | Union:
    """Read "linf:8/255", "features:loans.toml", or the union "linf:8/255+l2:0.5", for inputs in [lo, hi].

    For several inputs, of a `layout`, it is a product, "image=linf:8/255;meta=linf:0.1", or a union of such. Raise
    ValueError, in one line, for anything else.
    """
    parts = tuple(_read_part(part.strip(), lo, hi, layout) for part in text.split("+"))
    return parts[0] if len(parts) == 1 else Union(parts)


def corrupt_before(threat: Part | Union, pictures: Pictures) -> Part | Union:
    """Return a threat model whose corruptions are of the pictures before they are resized, unless it says `after`."""
    parts = tuple(
        replace(part, pictures=pictures) if isinstance(part, CorruptionThreat) and not part.word.after else part
        for part in threat.parts
    )
    return Union(parts) if isinstance(threat, Union) else parts[0]


def _read_part(text: str, lo: float, hi: float, layout: Layout | None) -> Part:
    family = family_of(text)
    if layout is not None:
        if family != PRODUCT:
            example = next((part.name for part in layout.parts if part.is_float), layout.names[0])
            several = f"there are several inputs ({layout})"
            raise ValueError(f"{text!r}: {several}; say what may be done to which, as {example}=linf:8/255")
        return Product.parse(text, layout)
    if family == PRODUCT:
        raise ValueError(f"{text!r} names parts of several inputs, and there is one; write NORM:EPS, as linf:8/255")
    return READERS.get(family, LpThreat.parse)(text, lo, hi)
