"""The report on a training: what is measured is compared with networks whose figures are known."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from robust.attacks import LpThreat
from robust.data.dataset import DATA
from robust.records.store import GENERATED
from robust.report.trainings import find_reports, read_key
from robust.train.cache import train
from robust.train.report import tables
from robust.train.report.charts import find_range, lengths_chart, shade
from robust.train.report.inspection import count_confusion, inspect
from robust.train.report.layers import join_layers, watch
from robust.train.report.page import Course, training_page
from robust.train.report.write import refuse_place, write_report
from robust.train.setup import TrainingSpec
from robust.train.split import split_off_validation
from robust.train.validate import Epoch

THREAT = LpThreat.parse("linf:0.1")


def build():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 10))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("trained")


@pytest.fixture(scope="module")
def trained(folder):
    return train(TrainingSpec(build, "pgd-at:epochs=2:steps=2:lr=0.05", DATA.get("digits"), THREAT, 0, "net"), folder)


@pytest.fixture(scope="module")
def seen(trained):
    return inspect(trained.module, trained.selection, THREAT, 0)


def one_dead():
    """A network of three units, of which the second is above 0 on no input, and the first on every."""
    first = nn.Linear(1, 3)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0], [-1.0], [1.0]]))
        first.bias.copy_(torch.tensor([1.0, 0.0, -2.0]))
    return nn.Sequential(first, nn.ReLU())


X = torch.tensor([[0.0], [1.0], [2.0], [3.0]])  # the ReLU's outputs: [1 2 3 4], [0 0 0 0], [0 0 0 1]


def test_a_dead_unit_and_the_figures_of_a_layer_are_those_of_its_outputs():
    answer, layers = watch(one_dead(), X)
    relu = layers["1"]

    assert torch.equal(answer[:, 2], torch.tensor([0.0, 0.0, 0.0, 1.0]))
    assert (relu.kind, relu.units, relu.dead, relu.size, relu.zeros, relu.largest) == ("ReLU", 3, 1, 12, 7, 4.0)
    assert relu.mean == pytest.approx(11 / 12)
    assert relu.deviation == pytest.approx(np.array([1, 2, 3, 4, 1, *[0] * 7]).std())
    assert (layers["0"].units, layers["0"].largest) == (0, 4.0)


def test_batches_come_to_what_the_whole_does():
    net = one_dead()
    (_, whole), *parts = watch(net, X), watch(net, X[:3]), watch(net, X[3:])
    joined = join_layers(layers for _, layers in parts)

    assert watch(net, X[:3])[1]["1"].dead == 2  # the third unit is above 0 on the last input alone
    assert [layer.name for layer in joined] == ["0", "1"]
    for layer in joined:
        other = whole[layer.name]
        assert (layer.size, layer.zeros, layer.dead) == (other.size, other.zeros, other.dead)
        assert [layer.mean, layer.variance] == pytest.approx([other.mean, other.variance])


class Functional(nn.Module):
    """A network whose activations are functions, and a module that is called twice."""

    def __init__(self):
        super().__init__()
        self.conv, self.act, self.last = nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Linear(4 * 36, 5)
        with torch.no_grad():
            self.conv.bias.copy_(torch.tensor([10.0, 10.0, -100.0, 10.0]))

    def forward(self, x):
        x = self.act(self.act(F.relu(self.conv(x))) + 1)
        return torch.relu_(self.last(x.flatten(1)))


def test_activations_are_seen_as_functions_and_as_often_as_they_are_called():
    _, layers = watch(Functional(), torch.rand(5, 1, 8, 8))
    units = {name: (layer.units, layer.dead) for name, layer in layers.items() if layer.units}

    assert {name: units[name] for name in ("relu", "act", "act (2)")} == {
        "relu": (4, 1),
        "act": (4, 1),
        "act (2)": (4, 0),
    }
    assert units["relu (2)"][0] == 5  # channels of a convolution, but outputs of a linear layer


def test_of_a_linear_layer_on_tokens_the_units_are_its_outputs():
    _, layers = watch(nn.Sequential(nn.Linear(6, 7), nn.GELU()), torch.rand(2, 3, 6))

    assert layers["1"].units == 7


def test_what_the_selection_saw_is_seen_again(trained, seen):
    best = trained.card["best"]

    assert seen.correct.mean() == pytest.approx(best["clean"])
    assert seen.robust.mean() == pytest.approx(best["robust"])
    assert seen.found == (seen.correct & ~seen.robust).sum()
    clean, attacked = (count_confusion(seen.labels, answers) for answers in seen.answers)
    assert clean.sum() == attacked.sum() == len(trained.selection)
    assert np.trace(clean) == seen.correct.sum()
    assert np.trace(attacked) == seen.robust.sum()
    assert [layer.size for layer in seen.attacked][1] == 8 * seen.found


def test_a_look_changes_neither_the_module_nor_the_random_state(trained):
    trained.module.train()
    before, random = {k: v.clone() for k, v in trained.module.state_dict().items()}, torch.get_rng_state()
    inspect(trained.module, trained.selection, THREAT, 0)

    assert all(torch.equal(value, before[name]) for name, value in trained.module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert all(part.training for part in trained.module.modules())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in trained.module.modules())
    assert all(parameter.requires_grad for parameter in trained.module.parameters())


def test_confusion_counts_rows_by_label():
    counts = count_confusion(np.array([0, 0, 1, 2]), np.array([0, 2, 1, 1]))

    assert counts.tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 0]]


def test_of_many_classes_the_pairs_that_are_confused_most_are_shown(seen):
    labels = np.arange(30).repeat(2)
    answers = labels.copy()
    answers[[0, 1, 7]] = 3, 3, 5
    text = tables.confusions(replace(seen, labels=labels, answers=(answers, labels)))

    assert "clean: the 2 pairs of 30 classes that are confused most" in text
    assert "<th>0<td>3<td>2<td>2" in text
    assert "the 0 pairs of 30 classes" in text


def test_the_report_has_every_part_and_loads_nothing(trained, folder):
    weights = load_file(trained.path)
    path = folder / "report.html"
    write_report(trained, THREAT, 0, path)
    text, card = path.read_text(), json.loads(trained.path.with_suffix(".json").read_text())

    assert text.startswith(GENERATED["index.html"])
    assert re.findall(r"<h2 id=(\w+)>", text) == ["findings", "epochs", "gradients", "answers", "layers"]
    assert not re.search(r'(src|href)="?(https?:|//)', text)
    assert "default-src 'none'" in text.replace("&#x27;", "'")
    assert "NaN" not in text
    assert card == {**trained.card, "report": "report.html"}
    assert read_key(path) == card["key"]
    assert find_reports(folder) == {card["key"]: "report.html"}
    assert all(torch.equal(value, weights[name]) for name, value in load_file(trained.path).items())


def course(trained, robust, lengths=0.5, **changes):
    """A training of as many epochs, with these robust accuracies."""
    epochs = [
        {**trained.card["best"], "number": k, "robust": share, "one_step": share} for k, share in enumerate(robust, 1)
    ]
    best = epochs[robust.index(max(robust))]
    card = {**trained.card, "curve": epochs, "best": best, "last": epochs[-1], "notes": [], **changes}
    return Course.of(card, [{"a": lengths, "b": 1.0}] * len(epochs))


def test_robust_overfitting_is_marked_where_the_training_would_tell_of_it(trained, seen):
    worse, same = (
        training_page(course(trained, shares), seen, "net") for shares in ([0.3, 0.5, 0.4], [0.3, 0.5, 0.46])
    )

    assert "robust overfitting: 50.0% in epoch 2, the best, 40.0% in the last" in worse
    assert "class=shade" in worse
    assert "robust overfitting" not in same
    assert "class=shade" not in same


def test_layers_whose_gradients_vanish_are_named_and_framed(trained, seen):
    text = training_page(course(trained, [0.3, 0.4], lengths=1e-9), seen, "net")

    assert "<b>a</b>: they vanish in 2 of 2 epochs, first in 1; 1.0e-09 at worst" in text
    assert "<b>b</b>" not in text
    assert "class=fault" in text


@pytest.mark.parametrize("lengths", [(0.0,), (1.0, 1.0), (0.0, float("inf"), 1e-3)], ids=str)
def test_a_chart_can_be_drawn_of_any_lengths(lengths):
    gradients = {str(k): length for k, length in enumerate(lengths)}
    curve = [Epoch(1, 1.0, 0.1, 0.5, None, None, (), gradients)] * 3
    low, high = find_range(curve)

    assert all(0 <= shade(length, low, high) < 9 for length in lengths)
    assert "nan" not in lengths_chart(curve)


def test_what_was_not_kept_is_said(trained, folder):
    gradients = trained.path.with_suffix(".gradients.csv")
    kept = gradients.read_bytes()
    gradients.unlink()
    write_report(trained, THREAT, 0, folder / "lacking.html")
    gradients.write_bytes(kept)

    text = (folder / "lacking.html").read_text()
    assert f"They were not kept: {gradients.name} is missing, or of another training." in text


def test_of_values_the_errors_are_shown_and_no_confusion(trained):
    data = DATA.get("diabetes").judged_by("within:50")
    _, validation = split_off_validation(data.load("train"), 0)
    module = nn.Linear(validation.x.shape[1], 1)
    seen = inspect(module, validation, LpThreat.parse("linf:0.1"), 0)
    text = training_page(course(replace(trained, card={**trained.card, "criterion": "within:50"}), [0.1]), seen, "net")

    assert seen.labels is None
    assert "There is no confusion of classes: the criterion is within:50." in text
    error = np.abs(module(torch.from_numpy(validation.x[:])).detach().numpy().ravel() - validation.y.ravel())
    assert seen.scores[0] == pytest.approx(error, rel=1e-3)
    assert f"<td>{error.mean():.4g}" in text
    assert "There is no ReLU or its like" in text


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("report.htm", "name it report.html, or leave the name out"),
        ("nix/report.html", "there is no folder"),
        ("mine.html", "is there, and no report on a training"),
        ("folder.html", "is there, and no report on a training"),
    ],
)
def test_a_place_where_no_report_can_go_is_refused(tmp_path, name, told):
    (tmp_path / "mine.html").write_text("<!doctype html><title>My page</title>")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(ValueError, match=told):
        refuse_place(tmp_path / name)
