"""`make bench-speed`: adversarial training beside a loop that is written out for it, in one process and in turns."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.timing import in_turns
from examples.fashion_mnist import make
from robust.attacks import LpThreat
from robust.attacks.rng import seeded
from robust.data.dataset import DATA, Dataset, Samples
from robust.train import epoch_end
from robust.train.factory import read_recipe
from robust.train.loop import fit
from robust.train.split import split_off_validation
from robust.train.validate import Validation

N, BATCH, STEPS, STRIDE, SEED = 6400, 128, 10, 0.25, 0
BALL = LpThreat.parse("linf:0.1")
ROUNDS = 5
LEAST = 0.95  # of the bare loop's throughput


def network() -> nn.Module:
    with seeded(SEED):
        return make()


def bare(samples: Samples) -> None:
    """One epoch of pgd-at as one would write it for this case alone: no guard, no curve, no validation."""
    model, eps = network(), float(BALL.eps)
    x, y = torch.from_numpy(samples.x), torch.from_numpy(samples.y)
    down = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    batches = torch.randperm(len(x)).split(BATCH)  # type: ignore[no-untyped-call]
    rate = torch.optim.lr_scheduler.OneCycleLR(down, 0.1, len(batches), anneal_strategy="linear", cycle_momentum=False)
    for rows in batches:
        clean, label = x[rows], y[rows]
        model.eval().requires_grad_(False)
        found = (clean + (2 * torch.rand_like(clean) - 1) * eps).clamp(0, 1)
        for _ in range(STEPS):
            (grad,) = torch.autograd.grad(F.cross_entropy(model(found.requires_grad_()), label), found)
            found = (clean + (found.detach() + STRIDE * eps * grad.sign() - clean).clamp(-eps, eps)).clamp(0, 1)
        model.train().requires_grad_(True)
        loss = F.cross_entropy(model(found), label)
        down.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        down.step()
        rate.step()
        loss.item()


def test_throughput_of_pgd_at(benchmark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the steps alone, since a bare loop has no validation."""
    data = DATA.get("fashion-mnist")
    assert isinstance(data, Dataset)
    samples, _ = data.load("train").draw(N, SEED)
    learn, _ = split_off_validation(samples, SEED)
    monkeypatch.setattr(epoch_end, "validate", lambda *given: Validation(0.5, 0.5, 0.5, (0.5,)))
    method = read_recipe(f"pgd-at:epochs=1:batch={BATCH}:steps={STEPS}:stride={STRIDE}")

    ratio = in_turns(benchmark, lambda: fit(network(), method, samples, BALL, seed=SEED), partial(bare, learn), ROUNDS)

    assert 1 / ratio.times >= LEAST
