"""The operators whose bounds are known, one kind a file, by their names in ATen."""

from robust.certification.operators.affine import make_affine
from robust.certification.operators.curves import Curve
from robust.certification.operators.functions import CURVES, SQUARE, make_prelu
from robust.certification.operators.operator import Call, Operator, Shapes
from robust.certification.operators.products import BILINEAR, Product
from robust.certification.operators.windows import make_maximum

__all__ = ["make_operator"]


def make_operator(call: Call, sources: tuple[int, ...], shapes: Shapes, shape: tuple[int, ...]) -> Operator | None:
    """Return the operator of a call on the values at `sources`, of these shapes; None where no bounds are known.

    `shape` is that of its value.
    """
    if call.name == "mul" and len(sources) > len(set(sources)):
        return SQUARE
    if call.name == "prelu":
        return make_prelu(call, shape)
    curve = CURVES.get(call.name)
    if curve is not None and len(sources) == 1:
        return curve if isinstance(curve, Curve) else curve(call)
    found = make_affine(call, shapes) or make_maximum(call, shapes, shape)
    if found is not None:
        return found
    if call.name in BILINEAR and len(sources) == 2:
        return Product(call)
    return None
