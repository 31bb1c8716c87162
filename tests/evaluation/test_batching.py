"""Batches that fit into memory."""

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks import LpThreat
from robust.data.dataset import Samples
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher, fit_batch_size
from robust.evaluation.measure import measure_attack, measure_clean
from tests.attacks.models import network

CPU = torch.device("cpu")
LINF = LpThreat.parse("linf:0.05")


def samples(n=23, shape=(1, 8, 8)):
    x = np.random.RandomState(0).rand(n, *shape).astype(np.float32)
    return Samples(x, np.arange(n) % 10, 2 * np.arange(n))


@pytest.mark.parametrize("size", [1, 7, 23, 1000])
def test_every_sample_comes_once_in_order(size):
    given = samples()
    sizes = []
    rows = Batcher(size).each(lambda x, y, index: sizes.append(len(x)) or (x, y, index), given)
    x, y, index = (torch.cat(column).numpy() for column in zip(*rows, strict=True))

    assert np.array_equal(x, given.x)
    assert np.array_equal(y, given.y)
    assert np.array_equal(index, given.index)
    assert max(sizes) == min(size, 23)


def limited(most, error):
    """Work that meets `error` where a batch is larger than `most`."""

    def work(x, y, index):
        if len(x) > most:
            raise error
        return index

    return work


OUT = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] . DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("MPS backend out of memory"),
    MemoryError(),
]


@pytest.mark.parametrize("error", OUT, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("most", [1, 2, 5])
def test_where_memory_runs_out_batches_are_halved_from_there_on_and_nothing_is_lost(error, most):
    batcher = Batcher(20)
    found = torch.cat(batcher.each(limited(most, error), samples()))

    assert found.tolist() == samples().index.tolist()
    assert batcher.size <= most
    assert batcher.size > most / 2 - 1


@pytest.mark.parametrize("error", [*OUT[:1], ValueError("out of memory"), RuntimeError("mat1 and mat2")])
def test_what_no_smaller_batch_mends_is_raised(error):
    with pytest.raises(type(error), match=str(error)[:10]):
        Batcher(8).each(limited(0, error), samples())


def test_a_real_allocation_that_fails_is_halved():
    def work(x, y, index):
        torch.empty(len(x) * 2**50 // 8 if len(x) > 4 else 1)
        return index

    batcher = Batcher(16)
    assert len(torch.cat(batcher.each(work, samples()))) == 23
    assert batcher.size == 4


@pytest.mark.parametrize("size", [1, 7, 250])
def test_what_an_attack_finds_does_not_depend_on_the_batch(size):
    model, given = network(dtype=torch.float32), samples(60)
    correct = measure_clean(model, given).correct
    whole = measure_attack(model, given, correct, "pgd:steps=5", LINF)
    parts = measure_attack(model, given, correct, "pgd:steps=5", LINF, RunOptions(Batcher(size)))

    assert (whole.adversarial != parts.adversarial).mean() <= 0.002


def test_a_wider_network_gets_smaller_batches(monkeypatch):
    monkeypatch.setattr("robust.evaluation.batching._free_bytes", lambda device: 2.0**26)
    x = samples().x
    sizes = [
        fit_batch_size(nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10)), x, CPU)
        for width in (10, 100_000, 100_000_000 // 64)
    ]

    assert sizes[0] == 250
    assert 250 > sizes[1] > sizes[2] >= 1


def test_the_estimate_leaves_the_model_as_found_and_needs_no_parameters():
    model = network(dtype=torch.float32).train()
    state = torch.random.get_rng_state()
    fit_batch_size(model, samples().x, CPU)

    assert model.training
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert fit_batch_size(nn.Flatten(), samples().x, CPU) == 250
