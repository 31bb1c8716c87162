"""Training by bounds: what the recipes ibp and crown-ibp compute, and what comes of it."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from robust.attacks import LpThreat, Rng, Task
from robust.certification.certify import Certifier, certify
from robust.data.dataset import DATA
from robust.train.card import describe_figures
from robust.train.factory import read_recipe
from robust.train.loop import fit
from robust.train.prepare import rehearse
from robust.train.recipe import start_recipe
from robust.train.validate import validate

THREAT = LpThreat.parse("linf:0.1")
NAMES = ["ibp", "crown-ibp"]


def network(*layers):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 4, 3, 2), *layers, nn.ReLU(), nn.Flatten(), nn.Linear(36, 10))


@pytest.fixture(scope="module")
def samples():
    return DATA.get("digits").load("train").draw(300, seed=0)[0]


@pytest.fixture
def task(samples):
    x, y, index = (torch.from_numpy(array[:16]) for array in (samples.x, samples.y, samples.index))
    return Task.of(network(), x, y, THREAT, Rng.of(0, index))


def loss_at(name, task, share, criterion=F.cross_entropy):
    """Return the loss of a run where a share of eps is reached; the ramp is the whole training."""
    run = start_recipe(read_recipe(f"{name}:kappa=0:ramp_start=0:ramp_end=1").recipe, task.model)
    run.reach(share)
    return run.loss(task, run.inputs(task), criterion)


def worst_logits(name, task, share):
    seen = []
    loss_at(name, task, share, lambda logits, y: seen.append(logits) or F.cross_entropy(logits, y))
    return seen[-1].detach()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.5])
def test_the_worst_logits_bound_those_of_every_input_within_the_reached_ball(name, share, task):
    worst, model = worst_logits(name, task, share), task.model.eval()
    label = task.y[:, None]
    assert (worst.gather(1, label) == 0).all()
    for seed in range(20):
        away = torch.rand(task.x.shape, generator=torch.Generator().manual_seed(seed)).sub(0.5).sign() * 0.1 * share
        logits = model((task.x + away).clamp(0, 1)).detach()
        assert (logits - logits.gather(1, label) <= worst + 1e-5).all()


def test_lines_give_the_hardest_rival_a_tighter_bound_than_intervals_do(task):
    hard = worst_logits("ibp", task, 0.5).argmax(1, keepdim=True)
    loose, tight = (worst_logits(name, task, 0.5) for name in NAMES)

    assert (tight <= loose + 1e-6).all()
    assert (tight < loose - 1e-3).gather(1, hard).float().mean() > 0.9
    assert (tight == loose).sum(1).min() == 8  # of ten classes, two are rivals


def test_at_the_end_of_the_ramp_lines_are_intervals(task):
    assert torch.equal(worst_logits("crown-ibp", task, 1.0), worst_logits("ibp", task, 1.0))


@pytest.mark.parametrize("name", NAMES)
def test_it_begins_as_the_clean_loss_and_rises_with_the_ball(name, task):
    clean = F.cross_entropy(task.model(task.x), task.y)
    losses = [loss_at(name, task, share) for share in (0, 1e-6, 0.5, 1)]

    assert torch.equal(losses[0], clean)
    torch.testing.assert_close(losses[1], clean, rtol=1e-4, atol=0)
    assert losses[1] < losses[2] < losses[3]


def test_the_share_of_the_clean_loss_falls_to_kappa(task):
    run = start_recipe(read_recipe("ibp:kappa=0.25:ramp_start=0.2:ramp_end=0.6").recipe, task.model)
    clean, worst = F.cross_entropy(task.model(task.x), task.y), loss_at("ibp", task, 1)
    for share, expected in ((0.1, clean), (0.6, 0.25 * clean + 0.75 * worst), (0.9, 0.25 * clean + 0.75 * worst)):
        run.reach(share)
        torch.testing.assert_close(run.loss(task, task.x, F.cross_entropy), expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_lowers_the_loss_at_the_worst_logits(name, task):
    before = loss_at(name, task, 0.9)
    grads = torch.autograd.grad(before, [*task.model.parameters()])
    with torch.no_grad():
        for p, grad in zip(task.model.parameters(), grads, strict=True):
            p.sub_(0.02 * grad)

    assert loss_at(name, task, 0.9) < before


def test_the_bounds_are_of_the_weights_as_they_are_now_and_of_running_statistics(samples, task):
    """Move weights and statistics after the network was read, and compare with a run that reads it anew."""
    task = Task.of(network(nn.BatchNorm2d(4)).train(), task.x, task.y, THREAT, task.rng)
    run = start_recipe(read_recipe("ibp:kappa=0").recipe, task.model)
    run.loss(task, task.x, F.cross_entropy)
    assert task.model[1].training
    assert not torch.equal(task.model[1].running_mean, torch.zeros(4))
    with torch.no_grad():
        for tensor in (*task.model.parameters(), task.model[1].running_mean):
            tensor.add_(0.1)
    fresh = Task.of(copy.deepcopy(task.model), task.x, task.y, THREAT, task.rng)

    assert torch.equal(run.loss(task, task.x, F.cross_entropy), loss_at("ibp", fresh, 1))


def test_frozen_batch_norm_stays_frozen_while_the_network_is_read(task):
    model = network(nn.BatchNorm2d(4)).train()
    model[1].eval()
    task = Task.of(model, task.x, task.y, THREAT, task.rng)
    loss_at("ibp", task, 1)

    assert [layer.training for layer in model] == [True, False, True, True, True]
    assert torch.equal(model[1].running_mean, torch.zeros(4))


@pytest.fixture(scope="module")
def trained(samples):
    return {
        name: fit(network(), read_recipe(f"{name}:epochs=6:batch=8"), samples, THREAT) for name in ("ibp", "standard")
    }


def test_it_certifies_more_than_standard_training_does(trained):
    test, _ = DATA.get("digits").load("test").draw(100, seed=0)
    shares = {}
    for name, found in trained.items():
        net = network().eval()
        net.load_state_dict(found.weights)
        correct = (net(torch.from_numpy(test.x)).argmax(1) == torch.from_numpy(test.y)).numpy()
        certifier = Certifier.of(net, torch.from_numpy(test.x[:1]), THREAT)
        shares[name] = certify(certifier, test, correct, "ibp").certified.mean()

    assert shares["ibp"] > shares["standard"] + 0.2


def test_the_best_epoch_is_the_one_that_is_certified_most(trained, samples):
    curve, best = trained["ibp"].curve, trained["ibp"].best
    assert best.certified == max(epoch.certified for epoch in curve)
    assert curve[0].certified < best.certified <= best.clean
    assert best.robust is None
    assert best.card_fields()["certified"] == best.certified
    assert trained["standard"].best.certified is None

    net = network().eval()
    net.load_state_dict(trained["ibp"].weights)
    seen = validate(net, "certified", samples, THREAT, 0)
    known = [(share, n) for share, n in zip(seen.by_class, np.bincount(samples.y), strict=True) if n]
    assert sum(share * n for share, n in known) / len(samples) == pytest.approx(seen.certified)
    assert describe_figures(seen.clean, None, 0.5).endswith("%, certified 50.0%")


class Sorted(nn.Module):
    def forward(self, x):
        return x.sort(1).values


REFUSED = [
    (
        nn.Sequential(nn.Flatten(), Sorted(), nn.Linear(64, 10)),
        "linf:0.1",
        r"^cannot be certified: layer '1' \(aten::s",
    ),
    (nn.Sequential(nn.Flatten(), weight_norm(nn.Linear(64, 10))), "linf:0.1", "computes its weights from others"),
    (network(), "l2:1", "^trains by bounds for linf, got l2:1; take a recipe without bounds, as pgd-at$"),
]


@pytest.mark.parametrize(("model", "threat", "message"), REFUSED)
def test_what_has_no_bounds_is_refused_in_one_line_before_the_training(model, threat, message, samples):
    with pytest.raises(ValueError, match=message) as e:
        rehearse(model, read_recipe("ibp"), samples, LpThreat.parse(threat))
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("ibp:kappa=1", "kappa, the clean loss's share, must be from 0 to below 1, got 1"),
        ("ibp:ramp_start=0.5:ramp_end=0.5", "ramp_start must be below ramp_end, both shares .*, got 0.5 and 0.5"),
        ("crown-ibp:ramp_end=1.5", "ramp_start must be below ramp_end"),
        ("crown-ibp:rivals=0", "rivals must be at least 1, got 0"),
    ],
)
def test_options_that_are_no_ramp_are_refused(spec, message):
    with pytest.raises(ValueError, match=message):
        read_recipe(spec)


def test_gradients_are_clipped_unless_the_spec_says_otherwise():
    assert [read_recipe(spec).plan.clip for spec in ("ibp", "ibp+ema", "ibp:clip=0", "pgd-at")] == [1, 1, 0, 0]
