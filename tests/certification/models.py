"""Modules for tests of bounds, and checks of each of their operators."""

import torch
from torch import nn

from robust.certification.crown import bound_by_intervals
from robust.certification.operators.operator import Interval

TOLERANCE = 1e-9


class Function(nn.Module):
    """A function of a batch, with the modules that it uses: called with both."""

    def __init__(self, function, *modules):
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(modules)

    def forward(self, x):
        return self.function(x, *self.parts)


def between(interval, count, generator):
    """Draw values within an interval, (count, ...), of its first sample: corners, the middle and any."""
    lo, hi = (each[:1].expand(count, *each.shape[1:]) for each in interval)
    share = torch.rand(lo.shape, generator=generator, dtype=lo.dtype)
    share[: count // 3] = share[: count // 3].round()
    share[-1] = 0.5
    return lo.lerp(hi, share)


def assert_operators_hold(graph, ball, seed=0, count=30):
    """Check each node's interval and lines at values of its sources within their intervals."""
    generator = torch.Generator().manual_seed(seed)
    bounds = bound_by_intervals(graph, ball).by_value
    for position, node in enumerate(graph.nodes, 1):
        drawn = {source: between(bounds[source], count, generator) for source in node.sources}
        assert_operator_holds(
            node.operator,
            [Interval(*(each[:1] for each in bounds[source])) for source in node.sources],
            [drawn[source] for source in node.sources],
            generator,
        )
        assert node.shape == tuple(bounds[position].lo.shape[1:])


def assert_operator_holds(operator, sources, values, generator):
    """Check an operator's interval and lines for sources within intervals, (1, 1, ...), at values, (n, 1, ...)."""
    value = operator.value(*values)
    interval = operator.interval(*sources)
    room = TOLERANCE * (1 + value.abs())
    assert not torch.any((interval.lo > value + room) | (value > interval.hi + room)), operator  # no number: no claim
    rows = torch.randn(1, 4, *value.shape[1:], generator=generator, dtype=value.dtype)
    rows[:, 0], rows[:, 1] = rows[:, 0].abs(), -rows[:, 1].abs()
    coefficients, constant = operator.relax(*sources).back(rows)
    below = constant.expand(1, 4) + sum(
        _dot(each.expand(1, 4, *part.shape[1:]), part) for each, part in zip(coefficients, values, strict=True)
    )
    at = _dot(rows, value)
    room = TOLERANCE * (1 + _dot(rows.abs(), value.abs()))
    assert not torch.any(below > at + room), operator
    if operator.affine:
        assert not torch.any(below < at - room), operator


def _dot(rows, values):
    """Return rows, (1, k, ...), times values, (n, ...), as (n, k)."""
    return values.reshape(len(values), -1) @ rows[0].reshape(rows.shape[1], -1).T
