"""The functions of one number whose curves are known, by their names in ATen."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from robust.certification.operators.curves import Curve
from robust.certification.operators.operator import Call, Slot


def _leaky(call: Call) -> Curve:
    slope = float(call.constant(1, "negative_slope", 0.01))
    return Curve(partial(F.leaky_relu, negative_slope=slope), (0.0,))


def _clamp(call: Call) -> Curve | None:
    lo, hi = (call.constant(place, name, None) for place, name in ((1, "min"), (2, "max")))
    return _between(lo, hi)


def _between(lo: Any, hi: Any) -> Curve | None:
    """Return the curve of a clamp whose ends are numbers; None for others."""
    if any(isinstance(end, Tensor | Slot) for end in (lo, hi)):
        return None
    return Curve(lambda x: x.clamp(lo, hi), [float(end) for end in (lo, hi) if end is not None])


def _elu(call: Call) -> Curve | None:
    alpha, scale, rate = (float(call.constant(place, name, 1)) for place, name in ELU)
    if rate < 0:
        return None  # it bends ever more below 0
    bend = abs(alpha * scale * rate**2)
    return Curve(
        lambda x: scale * torch.where(x > 0, x, alpha * torch.expm1(rate * x.clamp_max(0))), (0.0,), lambda _: bend
    )


ELU = ((1, "alpha"), (2, "scale"), (3, "input_scale"))
SOFTPLUS = ((1, "beta", 1), (2, "threshold", 20))
LINEAR = 17  # from here on softplus is its argument, as near as float32 knows


def _softplus(call: Call) -> Curve | None:
    beta, threshold = (float(call.constant(place, name, default)) for place, name, default in SOFTPLUS)
    if threshold < LINEAR:
        return None  # it jumps there
    return Curve(lambda x: torch.logaddexp(beta * x, x.new_zeros(())) / beta, (), lambda _: abs(beta) / 4)


def _gelu(call: Call) -> Curve:
    kind = call.constant(1, "approximate", "none")
    return Curve(partial(F.gelu, approximate=kind), (), lambda _: 0.85)  # 0.798 and 0.80 at 0


def make_prelu(call: Call, shape: tuple[int, ...]) -> Curve | None:
    """Return the curve of a PReLU, whose slopes are those of the channels of its source, (1, channels, ...).

    None where the slopes are no constants.
    """
    if not isinstance(call.args[1], Tensor):
        return None
    slope = call.args[1].reshape(-1, *[1] * (len(shape) - 2))
    return Curve(lambda x: torch.where(x > 0, x, slope * x), (0.0,))


def _pow(call: Call) -> Curve | None:
    power = call.args[1]
    if not isinstance(power, int | float):
        return None
    if power == 2:
        return SQUARE
    return {0.5: SQRT, -1: RECIPROCAL, -0.5: RSQRT, 1: None}.get(power)


SQUARE = Curve(torch.square, (), lambda _: 2.0)
SQRT = Curve(torch.sqrt, (), lambda s: s.lo**-1.5 / 4, above=0.0)
RSQRT = Curve(torch.rsqrt, (), lambda s: 0.75 * s.lo**-2.5, above=0.0)
RECIPROCAL = Curve(torch.reciprocal, (), lambda s: 2 * s.lo**-3, above=0.0)
RELU = Curve(torch.relu, (0.0,), rising=True)

# The bounds of second derivatives are checked by tests on a grid.
CURVES: dict[str, Curve | Callable[[Call], Curve | None]] = {
    "relu": RELU,
    "relu6": lambda _: _between(0, 6),
    "abs": Curve(torch.abs, (0.0,)),
    "leaky_relu": _leaky,
    "hardtanh": lambda call: _between(call.constant(1, "min_val", -1), call.constant(2, "max_val", 1)),
    "clamp": _clamp,
    "clamp_min": lambda call: _between(call.constant(1, "min", None), None),
    "clamp_max": lambda call: _between(None, call.constant(1, "max", None)),
    "hardsigmoid": Curve(F.hardsigmoid, (-3.0, 3.0)),
    "hardswish": Curve(F.hardswish, (-3.0, 3.0), lambda _: 1 / 3),
    "sigmoid": Curve(torch.sigmoid, (), lambda _: 0.0963, rising=True),
    "log_sigmoid": Curve(F.logsigmoid, (), lambda _: 0.25),
    "tanh": Curve(torch.tanh, (), lambda _: 0.77, rising=True),
    "erf": Curve(torch.erf, (), lambda _: 0.968),
    "gelu": _gelu,
    "silu": Curve(F.silu, (), lambda _: 0.5),
    "softplus": _softplus,
    "elu": _elu,
    "exp": Curve(torch.exp, (), lambda s: s.hi.exp()),
    "log": Curve(torch.log, (), lambda s: s.lo**-2, above=0.0),
    "sin": Curve(torch.sin, (), lambda _: 1.0),
    "cos": Curve(torch.cos, (), lambda _: 1.0),
    "square": SQUARE,
    "sqrt": SQRT,
    "rsqrt": RSQRT,
    "reciprocal": RECIPROCAL,
    "pow": _pow,
}
