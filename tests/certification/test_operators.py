"""Each operator of the tables: its value is the module's, and its intervals and lines hold."""

import pytest
import torch
from torch import nn

from robust.attacks import LpThreat
from robust.certification.ball import Ball
from robust.certification.crown import bound_by_intervals
from robust.certification.read import read_graph
from tests.certification.functions import CASES
from tests.certification.models import Function, assert_operators_hold
from tests.certification.operators import FLAT, IMAGE, SEQUENCE, VOLUME

LONG = ("a GRU", "an LSTM", "an RNN", "attention of heads", "upsample_bicubic2d", "cdist", "bilinear")  # many operators
COMPUTED = ("upsample_bicubic2d",)  # with weights that the network computes: of those the rounding is not known


def parts_of(name):
    """Return the modules of a case."""
    shape, _, *modules = CASES[name]
    if modules != ["batch norm"]:
        return modules
    norm = nn.BatchNorm2d(shape[0])
    for each in (norm.weight, norm.bias, norm.running_mean):
        nn.init.normal_(each)
    return [norm]


def made(names):
    """Return one module, in float32, of cases whose inputs have one shape: their values, one after another."""
    torch.manual_seed(0)
    parts = {name: parts_of(name) for name in names}

    def forward(x, *_):
        return torch.cat([CASES[name][1](x, *parts[name]).flatten(1).float() for name in names], 1)

    return Function(forward, *(part for each in parts.values() for part in each)).eval()


def check(names, shape):
    module, x = made(names), torch.randn(2, *shape, generator=torch.Generator().manual_seed(1))
    graph = read_graph(module, x[:1])
    expected = torch.cat([module(each[None]) for each in x])
    torch.testing.assert_close(graph(x.double()).float(), expected)
    bounds = bound_by_intervals(graph, Ball.around(x.double(), LpThreat.parse("linf:1e-12", -4, 4)))
    lo, hi = (end.squeeze(1) for end in bounds.by_value[graph.output])
    if not {*names} & {*COMPUTED}:
        assert torch.all((lo <= expected) & (expected <= hi)), "rounds more than it is said to"
    for eps in ("0.02", "0.7"):
        assert_operators_hold(graph, Ball.around(x.double(), LpThreat.parse(f"linf:{eps}", -4, 4)))


@pytest.mark.parametrize("shape", [FLAT, SEQUENCE, IMAGE, VOLUME, (4, 2, 3), (1, 4, 6)], ids=str)
def test_operators_are_the_modules_and_their_bounds_hold(shape):
    check([name for name, case in CASES.items() if case[0] == shape and name not in LONG], shape)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_each_operator_alone(name):
    check([name], CASES[name][0])
