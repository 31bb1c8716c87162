"""All that forwards write on a module is put back: at the end of a block, and then before each call."""

import copy

import pytest
import torch
from torch import nn

from robust.attacks.engine import eval_mode
from robust.attacks.state import State, list_written


class Net(nn.Module):
    """Writes what the function `write` does, and answers with all that it keeps."""

    def __init__(self, write):
        super().__init__()
        self.write = write
        self.register_buffer("buffer", torch.zeros(2))
        self.weight = nn.Parameter(torch.zeros(2))
        self.plain, self.pair, self.nothing = torch.zeros(2), (torch.zeros(2), torch.zeros(2)), None
        self.number, self.listed = 0, []

    def forward(self, x):
        self.write(self, x)
        return self.buffer + self.weight + self.plain + sum(self.pair) + (0 if self.nothing is None else self.nothing)


def numbers(net):
    return {name: value.tolist() for name, value in net.state_dict().items()}


WRITES = {
    "in place": ("buffer", lambda net, x: net.buffer.add_(1)),
    "through data": ("buffer", lambda net, x: net.buffer.data.add_(1)),
    "another buffer": ("buffer", lambda net, x: setattr(net, "buffer", net.buffer + 1)),
    "another shape": ("buffer", lambda net, x: setattr(net, "buffer", torch.ones(len(net.buffer) * 2))),
    "resized": ("buffer", lambda net, x: net.buffer.resize_(4).fill_(2)),
    "a tensor": ("plain", lambda net, x: net.plain.add_(1)),
    "another tensor": ("plain", lambda net, x: setattr(net, "plain", net.plain + 1)),
    "a pair": ("pair", lambda net, x: setattr(net, "pair", (net.pair[0] + 1, net.pair[1]))),
    "nothing before": (
        "nothing",
        lambda net, x: setattr(net, "nothing", x + (0 if net.nothing is None else net.nothing)),
    ),
}


@pytest.mark.parametrize("write", WRITES)
def test_what_is_written_is_put_back_and_later_before_each_call(write):
    name, function = WRITES[write]
    net = Net(function)
    if write in ("another shape", "resized"):
        net.forward = lambda x: function(net, x)
    before = numbers(net)
    with eval_mode(net), torch.no_grad():
        net(torch.ones(2))
    assert list_written(net) == [name]
    assert numbers(net) == before

    with eval_mode(copy.deepcopy(net)), eval_mode(net), torch.no_grad():
        first, second = net(torch.ones(2)), net(torch.ones(2))
    assert first is second is None or torch.equal(first, second)
    assert numbers(net) == before
    assert net.nothing is None


def test_what_was_not_there_is_removed_and_numbers_and_lists_are_only_watched():
    def write(net, x):
        net.register_buffer("late", x)
        net.number += 1
        net.listed.append(x)

    net = Net(write)
    state = State(net)
    with eval_mode(net), torch.no_grad():
        net(torch.ones(2))
    assert (list_written(net), hasattr(net, "late")) == (["late"], False)
    assert (state.list_counted(), net.number, len(net.listed)) == (["number", "listed"], 1, 1)


def test_parameters_are_put_back_where_that_is_asked_for_and_from_then_on():
    net = Net(lambda net, x: net.weight.data.add_(1))
    state = State(net, parameters=True)
    with eval_mode(net), torch.no_grad():
        net(torch.ones(2))
    assert state.restore() == ["weight"]
    with eval_mode(net), torch.no_grad():
        assert torch.equal(net(torch.ones(2)), net(torch.ones(2)))
    assert net.weight.tolist() == [0, 0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_buffer_without_finite_numbers_is_not_taken_for_a_written_one(value):
    net = Net(lambda net, x: None)
    net.buffer.fill_(value)
    with eval_mode(net), torch.no_grad():
        net(torch.ones(2))
    assert list_written(net) == []
