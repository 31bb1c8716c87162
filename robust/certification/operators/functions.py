"""The functions of one number whose curves are known, by their names in ATen."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from robust.certification.errors import UnknownOptionError
from robust.certification.operators.curves import Curve
from robust.certification.operators.operator import Call, Interval, Slot


def _leaky(call: Call) -> Curve:
    slope = float(call.constant(1, "negative_slope", 0.01))
    return Curve(partial(F.leaky_relu, negative_slope=slope), (0.0,))


def _clamp(call: Call) -> Curve:
    return _between(*(call.constant(place, name, None) for place, name in ((1, "min"), (2, "max"))))


def _between(lo: Any, hi: Any) -> Curve:
    """Return the curve of a clamp to numbers, or for each element to numbers of its own."""
    if any(isinstance(end, Slot) for end in (lo, hi)):
        raise UnknownOptionError("a clamp to what depends on the input")
    ends = [end if isinstance(end, Tensor) else float(end) for end in (lo, hi) if end is not None]

    def clamp(x: Tensor) -> Tensor:
        x = x if lo is None else x.clamp(min=lo)
        return x if hi is None else x.clamp(max=hi)

    return Curve(clamp, ends, turns=(), exact=True)  # the upper end alone counts where they are upside down


def make_maximum_with(call: Call) -> Curve:
    """Return the curve of the maximum with a constant."""
    return _between(next(each for each in call.args if isinstance(each, Tensor)), None)


def _elu(call: Call) -> Curve:
    return _exponential(*(float(call.constant(place, name, 1)) for place, name in ELU))


def _celu(call: Call) -> Curve:
    alpha = float(call.constant(1, "alpha", 1))
    return _exponential(alpha, 1.0, 1 / alpha)


def _exponential(alpha: float, scale: float, rate: float) -> Curve:
    """Return the curve of an ELU: scale * x above 0, and scale * alpha * (exp(rate * x) - 1) below."""
    if rate < 0:
        raise UnknownOptionError(f"an input_scale of {rate:g}, below 0")  # it bends ever more below 0
    bend = abs(alpha * scale * rate**2)
    return Curve(
        lambda x: scale * torch.where(x > 0, x, alpha * torch.expm1(rate * x.clamp_max(0))),
        (0.0,),
        lambda _: bend,
        turns=(0.0,),
    )


ELU = ((1, "alpha"), (2, "scale"), (3, "input_scale"))
SELU = (1.6732632423543772848170429916717, 1.0507009873554804934193349852946, 1.0)
SOFTPLUS = ((1, "beta", 1), (2, "threshold", 20))
NEAR = 1e-3  # relative, of softplus' threshold: nearer, the deployed network may round to the other side of it


def _softplus(call: Call) -> Curve:
    """Return the curve of a softplus, which is its argument above the threshold, and so jumps there."""
    beta, threshold = (float(call.constant(place, name, default)) for place, name, default in SOFTPLUS)
    height = (max(-threshold, 0) + math.log1p(math.exp(-abs(threshold)))) / abs(beta)
    near = NEAR * (1 + abs(threshold))

    def jump(source: Interval) -> Tensor:
        low, high = (beta * end - threshold for end in (source if beta > 0 else reversed(source)))
        return torch.where((low <= near) & (high >= -near), height, 0.0)

    return Curve(partial(F.softplus, beta=beta, threshold=threshold), (), lambda _: abs(beta) / 4, jump=jump)


def _gelu(call: Call) -> Curve:
    kind = call.constant(1, "approximate", "none")
    return Curve(partial(F.gelu, approximate=kind), (), lambda _: 0.85)  # 0.798 and 0.80 at 0


def _threshold(call: Call) -> Curve:
    threshold, value = (call.constant(place, name, None) for place, name in ((1, "threshold"), (2, "value")))
    if threshold != value:
        raise UnknownOptionError(f"a value of {value:g} below a threshold of {threshold:g}, where it jumps")
    return _between(threshold, None)


def make_prelu(call: Call, shape: tuple[int, ...]) -> Curve:
    """Return the curve of a PReLU, whose slopes are those of the channels of its source, (1, channels, ...)."""
    if not isinstance(call.args[1], Tensor):
        raise UnknownOptionError("a slope that depends on the input")
    slope = call.args[1].reshape(-1, *[1] * (len(shape) - 2))
    return Curve(lambda x: torch.where(x > 0, x, slope * x), (0.0,))


def _pow(call: Call) -> Curve:
    base, power = call.args
    if isinstance(base, int | float):
        return _exponent_of(float(base))
    if not isinstance(power, int | float):
        raise UnknownOptionError("an exponent that is a tensor")
    return _power(power)


def _exponent_of(base: float) -> Curve:
    """Return the curve of base ** x."""
    if base <= 0:
        raise UnknownOptionError(f"a base of {base:g}, not above 0")
    rate = math.log(base)
    return Curve(
        lambda x: (rate * x).exp(), (), lambda s: rate**2 * (rate * s.lo).exp().maximum((rate * s.hi).exp()), turns=()
    )


def _power(power: float) -> Curve:
    """Return the curve of x ** power: of any x for a whole power, else and below 0 of those above 0."""
    whole = float(power).is_integer() and power >= 0
    if power in (0, 1):
        return Curve(partial(torch.pow, exponent=power))

    def bend(source: Interval) -> Tensor:
        return abs(power * (power - 1)) * (source.lo.abs() ** (power - 2)).maximum(source.hi.abs() ** (power - 2))

    turns = (0.0,) if whole and power % 2 == 0 else ()
    above = -math.inf if whole else JUST_BELOW if power > 0 else 0.0
    return Curve(partial(torch.pow, exponent=power), (), bend, above, turns)


JUST_BELOW = -1e-30  # of 0: a root of 0 is bounded, and one of less is no number, which no bound hides
SQUARE = Curve(torch.square, (), lambda _: 2.0, turns=(0.0,))
RELU = Curve(torch.relu, (0.0,), turns=(), exact=True)
LN2, LN10 = math.log(2), math.log(10)

# The bounds of second derivatives are checked by tests on a grid.
CURVES: dict[str, Curve | Callable[[Call], Curve]] = {
    "relu": RELU,
    "relu6": lambda _: _between(0, 6),
    "abs": Curve(torch.abs, (0.0,)),
    "leaky_relu": _leaky,
    "hardtanh": lambda call: _between(call.constant(1, "min_val", -1), call.constant(2, "max_val", 1)),
    "clamp": _clamp,
    "clamp_min": lambda call: _between(call.constant(1, "min", None), None),
    "clamp_max": lambda call: _between(None, call.constant(1, "max", None)),
    "threshold": _threshold,
    "hardsigmoid": Curve(F.hardsigmoid, (-3.0, 3.0)),
    "hardswish": Curve(F.hardswish, (-3.0, 3.0), lambda _: 1 / 3),
    "sigmoid": Curve(torch.sigmoid, (), lambda _: 0.0963, turns=()),
    "log_sigmoid": Curve(F.logsigmoid, (), lambda _: 0.25, turns=()),
    "tanh": Curve(torch.tanh, (), lambda _: 0.77, turns=()),
    "atan": Curve(torch.atan, (), lambda _: 0.65, turns=()),
    "erf": Curve(torch.erf, (), lambda _: 0.968, turns=()),
    "erfc": Curve(torch.erfc, (), lambda _: 0.968, turns=()),
    "gelu": _gelu,
    "silu": Curve(F.silu, (), lambda _: 0.5),
    "mish": Curve(F.mish, (), lambda _: 0.65),
    "softplus": _softplus,
    "elu": _elu,
    "celu": _celu,
    "selu": lambda _: _exponential(*SELU),
    "exp": Curve(torch.exp, (), lambda s: s.hi.exp(), turns=()),
    "exp2": Curve(torch.exp2, (), lambda s: LN2**2 * s.hi.exp2(), turns=()),
    "expm1": Curve(torch.expm1, (), lambda s: s.hi.exp(), turns=()),
    "log": Curve(torch.log, (), lambda s: s.lo**-2, 0.0, ()),
    "log2": Curve(torch.log2, (), lambda s: s.lo**-2 / LN2, 0.0, ()),
    "log10": Curve(torch.log10, (), lambda s: s.lo**-2 / LN10, 0.0, ()),
    "log1p": Curve(torch.log1p, (), lambda s: (1 + s.lo) ** -2, -1.0, ()),
    "sin": Curve(torch.sin, (), lambda _: 1.0),
    "cos": Curve(torch.cos, (), lambda _: 1.0),
    "square": SQUARE,
    "sqrt": Curve(torch.sqrt, (), lambda s: s.lo**-1.5 / 4, JUST_BELOW, ()),
    "rsqrt": Curve(torch.rsqrt, (), lambda s: 0.75 * s.lo**-2.5, 0.0, ()),
    "reciprocal": Curve(torch.reciprocal, (), lambda s: 2 * s.lo**-3, 0.0, ()),
    "pow": _pow,
}
