"""The operators whose bounds are known, one kind a file, by their names in ATen."""

from torch import Tensor

from robust.certification.errors import UnknownOptionError
from robust.certification.operators.affine import AFFINE, make_affine
from robust.certification.operators.curves import Curve
from robust.certification.operators.functions import CURVES, SQUARE, make_maximum_with, make_prelu
from robust.certification.operators.operator import Call, Operator, Shapes
from robust.certification.operators.products import BILINEAR, Product
from robust.certification.operators.windows import MAXIMA, OF_TWO, make_maximum

__all__ = ["KNOWN", "make_operator"]

KNOWN = {*AFFINE, *CURVES, *MAXIMA, *BILINEAR, "prelu"}


def make_operator(call: Call, sources: tuple[int, ...], shapes: Shapes, shape: tuple[int, ...]) -> Operator | None:
    """Return the operator of a call on the values at `sources`, of these shapes; None where no bounds are known.

    `shape` is that of its value. Raise UnknownOptionError where they are known, but not for what it is called with.
    """
    curve = _make_curve(call, sources, shape)
    if curve is not None:
        if tuple(shapes[0]) != shape:
            raise UnknownOptionError("a constant of a larger shape")
        return curve
    found = make_affine(call, shapes) or make_maximum(call, shapes, shape)
    if found is None and call.name in BILINEAR and len(sources) == 2:
        return Product(call)
    return found


def _make_curve(call: Call, sources: tuple[int, ...], shape: tuple[int, ...]) -> Curve | None:
    """Return the curve of a call that is a function of each number of one value; None for others."""
    if call.name == "mul" and len(sources) > len(set(sources)):
        return SQUARE
    if call.name == "prelu":
        return make_prelu(call, shape)
    if call.name in OF_TWO and any(isinstance(each, Tensor) for each in call.args):
        return make_maximum_with(call)
    curve = CURVES.get(call.name)
    if curve is None or isinstance(curve, Curve):
        return curve
    return curve(call)
