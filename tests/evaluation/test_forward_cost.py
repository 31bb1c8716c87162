"""The cost of a forward pass beside another's."""

import time

import torch
from torch import nn

from robust.evaluation import forward_cost
from robust.evaluation.forward_cost import compare_forwards


class Slow(nn.Module):
    def forward(self, x):
        time.sleep(0.002)
        return x


class Slower(Slow):
    def forward(self, x):
        return super().forward(super().forward(x))


def test_the_ratio_is_of_times(monkeypatch, tmp_path):
    monkeypatch.setattr(forward_cost, "COUNTER", tmp_path / "none")
    cost = compare_forwards(Slower(), Slow(), torch.zeros(2, 1))

    assert 1.5 < cost.time < 2.5
    assert cost.energy is None


def test_energy_is_read_where_the_processor_counts_it(monkeypatch):
    counter = iter(range(0, 10**9, 5))
    monkeypatch.setattr(forward_cost, "_read_energy", lambda: next(counter))

    assert compare_forwards(Slow(), Slow(), torch.zeros(2, 1)).energy == 1
