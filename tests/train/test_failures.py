"""The detection of failed trainings: each check sees its failure, and no other."""

import csv
import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks import LpThreat
from robust.data.dataset import DATA, Samples
from robust.train import epoch_end
from robust.train.curves import curve_csv, curve_svg, gradients_csv
from robust.train.factory import read_recipe
from robust.train.failures import describe_collapse, describe_divergence, describe_new_faults, describe_overfitting
from robust.train.gradients import Lengths, describe_lengths
from robust.train.loop import fit
from robust.train.split import refuse_shared
from robust.train.validate import Epoch, Validation, validate

THREAT = LpThreat.parse("linf:0.1")


def epoch(number, robust=None, one_step=None, *, clean=0.9, gradients=None):
    return Epoch(number, 1.0, 0.1, clean, robust, one_step, (0.5, None, 0.25), gradients or {"0": 1.0, "2": 1.0})


@pytest.fixture(scope="module")
def samples():
    return DATA.get("digits").load("train").draw(300, seed=0)[0]


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


@pytest.mark.parametrize(
    ("robust", "one_step", "is_so"),
    [
        (0.02, 0.8, True),  # what the papers show
        (0.19, 0.4, True),
        (0.21, 0.8, False),  # more than half is left
        (0.10, 0.25, False),  # one step breaks them too: the training fails in another way
        (0.45, 0.95, False),
    ],
)
def test_catastrophic_overfitting_is_one_step_accuracy_without_that_of_many(robust, one_step, is_so):
    line = describe_collapse(epoch(3, robust, one_step), [epoch(1, 0.3, 0.35), epoch(2, 0.4, 0.45)])

    assert (line is not None) == is_so
    assert line is None or line.startswith("catastrophic overfitting in epoch 3: ")


def test_what_never_was_robust_cannot_lose_it():
    assert describe_collapse(epoch(2, 0.0, 0.5), [epoch(1, 0.08, 0.4)]) is None
    assert describe_collapse(epoch(1, 0.0, 0.9), []) is None
    assert describe_collapse(epoch(2), [epoch(1)]) is None


def test_a_training_that_collapses_goes_back_to_the_best_epoch_before(samples, monkeypatch):
    scores = iter([(0.3, 0.32), (0.4, 0.45), (0.38, 0.5), (0.0, 0.9), (0.5, 0.5)])
    weights = []

    def see(module, *args):
        weights.append({name: value.clone() for name, value in module.state_dict().items()})
        return Validation(0.9, *next(scores), (0.5,))

    monkeypatch.setattr(epoch_end, "validate", see)
    found = fit(network(), read_recipe("fgsm-rs:epochs=5"), samples, THREAT)

    assert [one.number for one in found.curve] == [1, 2, 3, 4]
    assert found.best.number == 2
    assert all(torch.equal(value, weights[1][name]) for name, value in found.weights.items())
    (note,) = found.notes
    assert "catastrophic overfitting in epoch 4: 90.0% of the samples are robust to one step and 0.0% to PGD" in note


def test_robust_overfitting_is_reported_as_best_and_last():
    assert describe_overfitting(epoch(2, 0.5), epoch(9, 0.44)) == (
        "robust overfitting: 50.0% in epoch 2, the best, 44.0% in the last"
    )
    assert describe_overfitting(epoch(2, 0.5), epoch(9, 0.46)) is None
    assert describe_overfitting(epoch(2), epoch(9)) is None


def test_divergence_is_reported_with_its_place():
    net = network()
    with torch.no_grad():
        net[3].weight[0, 0] = torch.nan

    message = describe_divergence(net, float("nan"), 0.5, epoch=3, step=17)
    assert "nan in epoch 3, step 17, at a learning rate of 0.5, weights that are not finite, first 3.weight" in message


def test_a_training_whose_last_step_breaks_the_weights_is_no_result(samples, monkeypatch):
    step = torch.optim.SGD.step

    def broken(self, *args, **given):
        step(self, *args, **given)
        broken.steps += 1
        if broken.steps == 8:  # of four batches in two epochs
            self.param_groups[0]["params"][0].data.fill_(torch.inf)

    broken.steps = 0
    monkeypatch.setattr(torch.optim.SGD, "step", broken)
    with pytest.raises(ValueError, match=r"diverged: .* in epoch 2, .* first 1\.weight"):
        fit(network(), read_recipe("standard:epochs=2:schedule=constant"), samples, THREAT)


@pytest.mark.parametrize(("scale", "word"), [(1e-9, "vanish"), (1e6, "explode")])
def test_gradients_that_vanish_or_explode_are_named_once(scale, word, samples):
    class Scaled(nn.Sequential):
        """A network whose gradients in the first layers are scaled by a factor."""

        def forward(self, x):
            inner = self[1](self[0](x))
            return self[3](self[2](inner.detach() + scale * (inner - inner.detach())))

    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Scaled(*network())
    found = fit(net, read_recipe("standard:epochs=2:clip=0.1"), samples, THREAT)

    (note,) = found.notes
    assert note.startswith(f"epoch 1: the gradients {word} in 1 of 2 layers (1: ")


def test_sound_gradients_are_not_spoken_of():
    assert describe_lengths({"a": 1.0, "b": 1e-5}) == []
    assert describe_new_faults(epoch(2, gradients={"0": 0.0}), [epoch(1, gradients={"0": 0.0})]) == []


def test_lengths_are_means_over_the_steps_by_layer():
    net = nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 1))
    net[1].requires_grad_(False)
    lengths = Lengths(net)
    for weight, bias in ((3.0, 4.0), (5.0, 12.0)):
        net[0].weight.grad, net[0].bias.grad = torch.tensor([[weight, 0.0]]), torch.tensor([bias])
        lengths.add()

    assert lengths.means() == {"0": pytest.approx((4.0**2 + 8.0**2) ** 0.5)}


@pytest.mark.parametrize(("shared", "refused"), [(0, False), (1, False), (2, True), (100, True)])
def test_a_selection_among_the_test_samples_is_refused(shared, refused):
    x = np.random.RandomState(0).rand(200, 4).astype(np.float32)
    selection = Samples(x[:100], np.zeros(100, np.int64), np.arange(100))
    test = Samples(x[100 - shared : 200 - shared], np.zeros(100, np.int64), np.arange(100))

    if refused:
        with pytest.raises(ValueError, match=f"^{shared} of the 100 samples that selected the best epoch are among"):
            refuse_shared(selection, test)
    else:
        refuse_shared(selection, test)


def test_the_embedded_digits_pass():
    digits = DATA.get("digits")

    refuse_shared(digits.load("train"), digits.load("test"))


def test_the_validation_is_of_each_class_and_of_one_step_and_many(samples):
    net = network()
    net.load_state_dict(fit(net, read_recipe("pgd-at:steps=2:epochs=4"), samples, THREAT).weights)
    seen = validate(net, "robust", samples, THREAT, seed=0)
    counts = np.bincount(samples.y)

    assert seen.clean >= seen.one_step >= seen.robust > 0
    assert sum(share * n for share, n in zip(seen.by_class, counts, strict=True)) / len(samples) == pytest.approx(
        seen.robust
    )


CURVE = [epoch(1, 0.2, 0.3), epoch(2, 0.4, 0.5), epoch(3, 0.3, 0.6)]


def test_the_curve_as_csv():
    rows = [*csv.DictReader(io.StringIO(curve_csv(CURVE)))]

    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert (rows[1]["robust"], rows[1]["one_step"], rows[1]["worst_class"]) == ("0.4", "0.5", "0.25")


def test_the_gradients_as_csv():
    assert gradients_csv(CURVE).splitlines() == ["epoch,0,2", "1,1.0,1.0", "2,1.0,1.0", "3,1.0,1.0"]


def drawn(root):
    """Return the paths of the curves."""
    return [node.get("d") for node in root.iter("{http://www.w3.org/2000/svg}path") if node.get("stroke-width")]


def test_the_curve_as_an_image():
    root = ET.fromstring(curve_svg(CURVE, best=2, title="a<b&c"))
    texts = {node.text for node in root.iter("{http://www.w3.org/2000/svg}text")}

    assert root[0].text == "a<b&c"
    assert {"clean", "one step", "robust", "best", "100 %", "3"} <= texts
    assert [len(path.split("L")) for path in drawn(root)] == [3, 3, 3]


def test_a_curve_of_one_epoch_and_without_attacks_has_an_image_too():
    root = ET.fromstring(curve_svg([epoch(1)], best=1, title="standard"))

    assert len(drawn(root)) == 1
