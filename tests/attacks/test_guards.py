"""Gradients that torch refuses in evaluation mode, or behind checkpoints and hooks, and that the engine lets pass."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules._functions import BackwardHookFunction
from torch.utils import checkpoint

from robust.attacks.engine import eval_mode
from robust.attacks.task import gradient


def grad_of(module, x):
    with eval_mode(module), torch.enable_grad():
        leaf = x.clone().requires_grad_()
        return gradient(module(leaf.clone()).square().sum(), leaf)


@pytest.mark.parametrize("how", ["module", "function", "in place"])
def test_backward_hooks_before_a_step_in_place_are_called_and_change_no_gradient(how):
    torch.manual_seed(0)
    first, seen = nn.Linear(4, 4), []
    x, before = torch.rand(3, 4), BackwardHookFunction.forward
    after = {"module": nn.ReLU(inplace=True), "function": F.relu_, "in place": lambda z: z.mul_(2)}[how]
    plain = {"module": nn.ReLU(), "function": F.relu, "in place": lambda z: 2 * z}[how]

    class Net(nn.Module):
        def __init__(self, last):
            super().__init__()
            self.first, self.last = first, last

        def forward(self, x):
            return self.last(self.first(x))

    expected = grad_of(Net(plain), x)
    first.register_full_backward_hook(lambda module, inner, outer: seen.append(outer[0].shape))
    assert torch.equal(grad_of(Net(after), x), expected)
    assert seen == [(3, 4)]
    assert BackwardHookFunction.forward is before


def test_a_reentrant_checkpoint_has_its_gradient():
    torch.manual_seed(0)
    net, x, before = nn.Linear(4, 4), torch.rand(3, 4), checkpoint.CheckpointFunction

    class Net(nn.Module):
        def forward(self, x):
            return checkpoint.checkpoint(net, checkpoint.checkpoint(net, x, use_reentrant=True), use_reentrant=True)

    assert torch.equal(grad_of(Net(), x), grad_of(nn.Sequential(net, net), x))
    assert checkpoint.CheckpointFunction is before


@pytest.mark.parametrize(
    ("module", "enabled"), [(nn.GRU(4, 4), False), (nn.Sequential(nn.LSTM(4, 4)), False), (nn.Linear(4, 4), True)]
)
def test_cudnn_is_off_while_a_recurrent_layer_answers(monkeypatch, module, enabled):
    monkeypatch.setattr(torch.backends.cudnn, "enabled", True)
    with eval_mode(module):
        assert torch.backends.cudnn.enabled == enabled
    assert torch.backends.cudnn.enabled
