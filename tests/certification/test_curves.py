"""Curves: how far they bend, and lines of any slope, over intervals of every size."""

import pytest
import torch

from robust.certification.operators.curves import Curve, CurveLines
from robust.certification.operators.functions import CURVES, make_prelu
from robust.certification.operators.operator import Call, Interval, Slot


def curve(name, *args, **kwargs):
    found = CURVES[name]
    return found if isinstance(found, Curve) else found(Call(None, (Slot(0), *args), kwargs))


SMOOTH = {
    **{name: found for name, found in CURVES.items() if isinstance(found, Curve) and found.bend is not None},
    "gelu": curve("gelu"),
    "gelu tanh": curve("gelu", approximate="tanh"),
    "elu": curve("elu"),
    "elu of numbers": curve("elu", -1.7, 1.3, 0.6),
    "selu": curve("selu"),
    "celu": curve("celu", 0.7),
    "softplus": curve("softplus"),
    "softplus of numbers": curve("softplus", -3.0),
    "pow 3": curve("pow", 3),
    "pow 4": curve("pow", 4.0),
    "pow 7": curve("pow", 7),
    "pow 1.5": curve("pow", 1.5),
    "pow 0.3": curve("pow", 0.3),
    "pow -1": curve("pow", -1),
    "pow -2.5": curve("pow", -2.5),
    "power of a number": CURVES["pow"](Call(None, (1.3, Slot(0)), {})),
    "power of a small number": CURVES["pow"](Call(None, (0.8, Slot(0)), {})),
}
BENT = {
    "relu": curve("relu"),
    "leaky above 1": curve("leaky_relu", 2.5),
    "leaky below 0": curve("leaky_relu", -0.5),
    "clamp": curve("clamp", -1, 2.5),
    "clamp upside down": curve("clamp", 2.5, -1),
    "clamp of each": curve("clamp", torch.tensor([-1.0, 0.3]).double(), torch.tensor([2.5, 0.6]).double()),
    "threshold": curve("threshold", 0.5, 0.5),
    "softplus that jumps": curve("softplus", 2.0, 0.5),
    "softplus that jumps up": curve("softplus", -1.0, -3.0),
    "pow 1": curve("pow", 1),
    "pow 0": curve("pow", 0),
    "abs": curve("abs"),
    "hardsigmoid": curve("hardsigmoid"),
    "prelu": make_prelu(Call(None, (Slot(0), torch.tensor([-0.3, 1.4]).double()), {}), (1, 2)),
}
ALL = SMOOTH | BENT
ENDS = [(-30, 30), (-3, 3), (-1, 2), (0.2, 0.9), (-0.1, 0), (1e-3, 20), (5, 6), (-9, -8), (-400, 300)]


def ranges(found):
    return [Interval(*torch.tensor(ends).double()) for ends in ENDS if ends[0] > found.above]


@pytest.mark.parametrize("name", SMOOTH)
def test_no_second_derivative_is_above_what_is_said(name):
    found = SMOOTH[name]
    for each in ranges(found):
        x = torch.linspace(*(end.item() for end in each), 20_011, dtype=torch.float64).requires_grad_()
        (slope,) = torch.autograd.grad(found.function(x).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(slope.sum(), x)
        second = second.nan_to_num(0)  # torch's own, of softplus far out
        smooth = torch.stack([(x - kink).abs() > 1e-9 for kink in found.kinks]).all(0) if found.kinks else x == x
        limit = torch.as_tensor(found.bend(each), dtype=torch.float64)
        assert torch.all(second.abs()[smooth] <= limit * (1 + 1e-9)), (each, second.abs().max(), limit)


@pytest.mark.parametrize("name", ALL)
def test_a_curve_is_within_its_interval_and_between_lines_of_any_slope(name):
    found, generator = ALL[name], torch.Generator().manual_seed(0)
    tiny = [(0.5, 0.5), (0.5, 0.5 + 1e-9), (7.0, 7.0), (1e6, 1e6 + 1), (3e4, 6e4)]
    ends = torch.tensor([each for each in (*ENDS, *tiny) if each[0] > found.above], dtype=torch.float64)
    lo, hi = (end[:, None, None].expand(-1, 1, 2) for end in ends.T)
    kept = (found.function(lo) + found.function(hi)).isfinite().flatten(1).all(1)  # exp overflows
    lo, hi = lo[kept], hi[kept]
    source = Interval(lo, hi)
    x = lo + (hi - lo) * torch.linspace(0, 1, 997, dtype=torch.float64)[:, None, None, None]
    y, room = found.function(x), 1e-9 * (1 + found.function(x).abs())
    interval = found.interval(source)
    assert torch.all((interval.lo <= y + room) & (y <= interval.hi + room))
    own = found.relax(source)
    low, high = own.at.slopes()
    slopes = [own.below, own.above, *(torch.rand(lo.shape, generator=generator)[:, None] * 4 - 2 for _ in range(3))]
    between = low + (high - low) * torch.rand(low.shape, generator=generator, dtype=torch.float64)
    slopes.append(torch.where(between.isfinite(), between, 0))
    for slope in slopes:
        lines = CurveLines(own.at, slope, slope)
        at = (slope.squeeze(1) * x, slope.squeeze(1).abs() * x.abs() * 1e-9)
        assert torch.all(at[0] + lines.low.squeeze(1) <= y + room + at[1])
        assert torch.all(at[0] + lines.high.squeeze(1) >= y - room - at[1])


@pytest.mark.parametrize("name", [name for name, found in ALL.items() if found.above == 0])
def test_where_a_curve_is_not_defined_nothing_is_proved(name):
    source = Interval(torch.tensor([[-0.1], [0.0]]).double(), torch.tensor([[1.0], [1.0]]).double())
    assert ALL[name].interval(source).lo.isnan().all()
    assert ALL[name].interval(source).hi.isnan().all()
    assert ALL[name].relax(source).back(torch.zeros(2, 3, 1).double())[1].isnan().all()


@pytest.mark.parametrize(
    ("lo", "hi", "below", "above"),
    [
        (-1.0, 3.0, (1.0, 0.0), (0.75, 0.75)),
        (-3.0, 1.0, (0.0, 0.0), (0.25, 0.75)),
        (1.0, 2.0, (1.0, 0.0), (1.0, 0.0)),
        (-2.0, -1.0, (0.0, 0.0), (0.0, 0.0)),
    ],
)
def test_the_lines_of_relu_are_crowns(lo, hi, below, above):
    """Compare slopes and constants with those of 1811.00866."""
    ends = Interval(*(torch.full((1, 1), end, dtype=torch.float64) for end in (lo, hi)))
    lines = CURVES["relu"].relax(ends)

    assert (lines.below.item(), lines.low.item()) == pytest.approx(below)
    assert (lines.above.item(), lines.high.item()) == pytest.approx(above)


@pytest.mark.parametrize("curve", [CURVES["relu"], Curve(lambda x: torch.where(x < 0.3, 2 * x, 0.6), (0.3,))])
def test_the_hull_of_three_points_is_the_hull(curve):
    lo, hi = torch.randn(2, 1000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).sort(0).values
    few = curve.sample(Interval(lo, hi), 9)

    for found, side in zip(few.hull_slopes_of_three(), (-1, 1), strict=True):
        torch.testing.assert_close(found, few.hull_slope(side))
