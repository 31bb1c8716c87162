"""The options of the plan: each does what its name says."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from robust.attacks import LpThreat
from robust.data.dataset import DATA, Samples
from robust.train import epoch_end
from robust.train.batches import build_transform, iter_batches
from robust.train.factory import read_recipe
from robust.train.loop import fit
from robust.train.optim import build_optimiser
from robust.train.plan import Plan
from robust.train.prepare import prepare, rehearse
from robust.train.setup import TrainingSetup

THREAT = LpThreat.parse("linf:0.1")


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = [nn.Flatten(), nn.Dropout(0.1), nn.Linear(4 * 64, 10)]
        return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), *head)


@pytest.fixture(scope="module")
def samples():
    return DATA.get("digits").load("train").draw(300, seed=0)[0]


@pytest.mark.parametrize(
    "options",
    [
        "optimiser=adam",
        "optimiser=adamw",
        "optimiser=rmsprop:momentum=0.5",
        "schedule=cyclic",
        "schedule=cosine:warmup=1",
        "schedule=piecewise",
        "schedule=constant:lr=0.02",
        "clip=1",
        "l1=1e-5",
        "dropout=0.3",
        "smoothing=0.1",
        "class_weights=balanced:sampling=balanced",
        "craft=train",
        "init=xavier",
        "init=he",
        "freeze=0+1",
        "precision=bfloat16",
        "channels_last=true",
        "augment=crop-flip",
        "augment=trivial",
    ],
)
def test_a_knob_leaves_a_training_that_learns_and_repeats_itself(options, samples, rng_untouched):
    method = read_recipe(f"pgd-at:steps=1:epochs=2:{options}")
    a, b = (fit(network(), method, samples, THREAT) for _ in range(2))

    assert a.curve[1].loss < a.curve[0].loss
    assert all(torch.equal(a.weights[name], b.weights[name]) for name in a.weights)


def test_frozen_layers_stay_as_they_are_with_their_statistics(samples):
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = fit(net, read_recipe("standard:epochs=2:freeze=0+1"), samples, THREAT)

    same = {name for name, value in found.weights.items() if torch.equal(value, before[name])}
    assert same == {name for name in before if name[0] in "01"}


def test_the_gradient_is_clipped(samples, monkeypatch):
    lengths = []

    def step(self, *args, **given):
        grads = [p.grad for group in self.param_groups for p in group["params"]]
        lengths.append(torch.stack([g.norm() for g in grads]).norm().item())

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    fit(network(), read_recipe("standard:epochs=1:clip=0.01:schedule=constant"), samples, THREAT)

    assert lengths
    assert max(lengths) <= 0.01 * 1.001


def test_weights_are_started_from_a_file(tmp_path):
    other, net = network(), network()
    nn.init.ones_(other[0].weight)
    save_file(other.state_dict(), tmp_path / "weights.safetensors")
    prepare(net, Plan(pretrained=str(tmp_path / "weights.safetensors")))

    assert torch.equal(net[0].weight, other[0].weight)


def test_a_module_without_parameters_is_reported():
    with pytest.raises(ValueError, match="there is nothing to train: the module has no parameters"):
        rehearse(nn.Flatten(), read_recipe("standard"), unbalanced(), LpThreat.parse("linf:0.1"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"freeze": "backbone"}, "freeze: no parameter begins with 'backbone'. Known: .*0.weight"),
        ({"freeze": "0+1+4"}, "there is nothing to train"),
        ({"dropout": 0.5}, "dropout: the module has no dropout layer"),
    ],
)
def test_what_does_not_fit_the_module_is_reported(given, message):
    net = nn.Sequential(*(part for part in network() if not isinstance(part, nn.Dropout)))

    def begin():
        prepare(net, Plan(**given))
        build_optimiser(net, Plan())

    with pytest.raises(ValueError, match=message):
        begin()


def test_weights_that_do_not_fit_are_reported(tmp_path):
    save_file({"other": torch.zeros(1)}, tmp_path / "weights.safetensors")

    with pytest.raises(ValueError, match=r"pretrained=.*weights do not fit"):
        prepare(network(), Plan(pretrained=str(tmp_path / "weights.safetensors")))


@pytest.mark.parametrize(("init", "variance"), [("xavier", 2 / (400 + 600)), ("he", 2 / 400)])
def test_weights_are_drawn_anew_with_the_variance_of_the_paper(init, variance):
    layer = nn.Linear(400, 600)
    with torch.random.fork_rng():
        prepare(layer, Plan(init=init))

    assert layer.weight.var().item() == pytest.approx(variance, rel=0.02)
    assert not layer.bias.any()


def test_dropout_is_that_of_the_plan():
    net = network()
    prepare(net, Plan(dropout=0.5))

    assert net[4].p == 0.5


def unbalanced(n=200):
    """Return samples of which class 0 has three times as many as class 1."""
    y = (np.arange(n) % 4 == 0).astype(np.int64)
    return Samples(np.zeros((n, 1, 8, 8), np.float32), y, np.arange(n))


def setup(learn, options):
    return TrainingSetup(read_recipe(f"standard:{options}"), THREAT, learn, learn, 0, F.cross_entropy)


def test_classes_are_drawn_alike_often():
    labels = torch.cat(
        [
            task.y
            for epoch in range(20)
            for task in iter_batches(network(), setup(unbalanced(), "sampling=balanced"), epoch)
        ]
    )

    assert labels.float().mean().item() == pytest.approx(0.5, abs=0.05)


def test_every_image_is_changed_by_itself_and_stays_within_the_bounds(samples):
    same = Samples(np.repeat(samples.x[:1], 32, axis=0), samples.y[:32], samples.index[:32])
    for augment in ("crop-flip", "trivial"):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            (task,) = iter_batches(network(), setup(same, f"augment={augment}"), epoch=1)

        assert task.x.shape == (32, 1, 8, 8)
        assert ((task.x >= 0) & (task.x <= 1)).all()
        assert len(task.x.unique(dim=0)) > 4


def test_what_is_no_image_is_not_augmented():
    flat = Samples(np.zeros((2, 64), np.float32), np.zeros(2, np.int64), np.arange(2))

    with pytest.raises(ValueError, match=r"augment=trivial is for images, the inputs have the shape \[64\]"):
        build_transform(Plan(augment="trivial"), flat)


@pytest.mark.parametrize(("craft", "training"), [("eval", False), ("train", True)])
def test_inputs_are_searched_for_in_the_mode_of_the_plan(craft, training, samples):
    modes, net = [], network()
    net.register_forward_pre_hook(lambda module, _: modes.append((module.training, module[0].weight.requires_grad)))
    fit(net, read_recipe(f"pgd-at:steps=1:epochs=1:craft={craft}"), samples, THREAT)

    assert {mode for mode, learning in modes if learning} == {True}
    assert (training, False) in modes
    assert craft == "train" or (True, False) not in modes


def test_bfloat16_is_of_the_layers_that_bear_it_while_training(samples):
    seen, net = [], network()
    net[0].register_forward_hook(lambda module, x, out: seen.append((module.training, out.dtype)))
    found = fit(net, read_recipe("pgd-at:steps=1:epochs=1:precision=bfloat16"), samples, THREAT)

    assert (True, torch.bfloat16) in seen
    assert (True, torch.float32) not in seen
    assert (False, torch.float32) in seen  # the validation
    assert all(value.dtype != torch.bfloat16 for value in found.weights.values())


def test_images_lie_channels_last(samples):
    seen, net = [], network()
    net.register_forward_pre_hook(
        lambda _, x: seen.append(x[0].shape[1] == 1 or x[0].is_contiguous(memory_format=torch.channels_last))
    )
    fit(net, read_recipe("standard:epochs=1:channels_last=true"), samples, THREAT)

    assert net[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert all(seen)


def test_training_stops_when_nothing_gets_better(samples, monkeypatch):
    scores = iter([0.5, 0.6, 0.4, 0.4, 0.4, 0.9])
    real = epoch_end.validate

    def validate(*args):
        seen = real(*args)
        return type(seen)(next(scores), None, None, seen.by_class)

    monkeypatch.setattr(epoch_end, "validate", validate)
    found = fit(network(), read_recipe("standard:epochs=6:patience=2"), samples, THREAT)

    assert [epoch.number for epoch in found.curve] == [1, 2, 3, 4]
    assert found.best.number == 2
    assert found.notes == ("stopped early: no epoch after 2 was better, for 2 epochs",)
