import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks import LpThreat
from robust.data.dataset import DATA
from robust.train.factory import read_recipe
from robust.train.loop import fit
from robust.train.setup import FitOptions
from robust.train.split import split_off_validation

THREAT = LpThreat.parse("linf:0.1")


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 10)]
        return nn.Sequential(nn.Flatten(), *layers)


@pytest.fixture(scope="module")
def samples():
    return DATA.get("digits").load("train").draw(300, seed=0)[0]


def trained(samples, recipe="pgd-at:steps=2:epochs=3", seed=0, **given):
    return fit(network(), read_recipe(recipe), samples, THREAT, seed=seed, **given)


def test_the_same_seed_gives_the_same_weights(samples, rng_untouched):
    a, b, c = (trained(samples, seed=seed).weights for seed in (1, 1, 2))

    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


def test_the_best_epoch_by_validation_is_kept(samples):
    epochs = []
    found = trained(samples, "pgd-at:steps=2:epochs=5", options=FitOptions(on_epoch=epochs.append))

    assert list(found.curve) == epochs
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4, 5]
    assert found.best.robust == max(epoch.robust for epoch in epochs)


def test_standard_training_selects_by_clean_accuracy(samples):
    found = trained(samples, "standard:epochs=5")

    assert found.best.clean == max(epoch.clean for epoch in found.curve)
    assert all(epoch.robust is None for epoch in found.curve)


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "constant"])
def test_the_rate_of_an_epoch_is_that_of_its_last_step(samples, schedule):
    """Read the rate before the schedule moves on: one-cycle's is below 0 after the last step."""
    rates = [epoch.lr for epoch in trained(samples, f"standard:epochs=3:lr=0.1:schedule={schedule}").curve]

    assert all(0 < rate <= 0.1 for rate in rates)
    assert rates == ([0.1] * 3 if schedule == "constant" else sorted(rates, reverse=True))


def test_the_weights_are_those_of_the_best_epoch(samples):
    """Train at a rate so high that the accuracies jump about, so that the best epoch is not the last."""
    net = network()
    found = fit(net, read_recipe("standard:epochs=6:lr=3.0:momentum=0.0"), samples, THREAT)
    _, validation = split_off_validation(samples, 0)
    net.load_state_dict(found.weights)
    net.eval()

    accuracy = (net(torch.from_numpy(validation.x)).argmax(1).numpy() == validation.y).mean()
    assert accuracy == pytest.approx(found.best.clean)


def test_validation_is_carved_from_the_training_split(samples):
    learn, validation = split_off_validation(samples, seed=0)

    assert len(validation) == 45
    assert not np.intersect1d(learn.index, validation.index).size
    assert np.array_equal(np.sort(np.concatenate([learn.index, validation.index])), samples.index)


def test_a_last_batch_of_one_does_not_stop_batch_norm(samples):
    one_over, _ = samples.draw(76, seed=0)  # 11 for validation, 65 to learn from

    assert len(trained(one_over, "standard:epochs=1:batch=64").curve) == 1


def test_divergence_is_reported(samples):
    with pytest.raises(
        ValueError, match=r"diverged: the loss became (nan|inf) in epoch 1, step \d+, .*; try a smaller lr"
    ):
        trained(samples, "standard:epochs=8:lr=1e30")


def test_batches_of_one_are_trained_on(samples):
    few, _ = samples.draw(40, seed=0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    before = net[1].weight.clone()

    assert fit(net, read_recipe("standard:epochs=1:batch=1"), few, THREAT).curve[0].loss > 0
    assert not torch.equal(net[1].weight, before)
