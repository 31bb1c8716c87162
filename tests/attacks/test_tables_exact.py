"""Small tables, where a mixed-integer program says exactly which rows can be made adversarial."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.ensemble import GradientBoostingClassifier
from torch import nn

from robust.attacks import BestOf, assail, make
from robust.attacks.suite import read_suite
from tests.oracles.tables import Rows, linear_margin, network_margin, trees_margin
from tests.tables import rows, threat, train

N, TRUTH = 40, 1e-6
X, Y = rows(N)
LEARN = rows(300, seed=1)
MATRIX = np.array([[0, 0, 0, 1, -1, -1, -1, 0, 0, 0], [0, 0, -1, 1, 0, 0, 0, 0, 0, 0]], float)


def admitted(table, row):
    """Return what one row may become: written by hand for this table."""
    features, value = table.table.features, row.double().numpy()
    moves = np.array([feature.moves for feature in features])
    category = np.array([feature.type == "category" for feature in features])
    eps = np.array([feature.eps for feature in features])
    low = np.maximum([feature.lo for feature in features], value - eps)
    low = np.where([feature.monotone == "increasing" for feature in features], value, low)
    high = np.minimum([feature.hi for feature in features], value + eps)
    low, high = np.where(category, 0, low), np.where(category, 1, high)
    sums = MATRIX @ value
    return Rows(
        np.where(moves, low, value),
        np.where(moves, high, value),
        np.array([feature.type != "float" for feature in features]),
        ((7, 8, 9),),
        MATRIX[: len(table.table.relations)],
        np.array([sums[0], -np.inf])[: len(table.table.relations)],
        np.array([sums[0], 0.0])[: len(table.table.relations)],
    )


def count(attack, model, table):
    """Return which samples an attack, or the stages of a suite for tables, breaks."""
    if attack in ("quick-1", "standard-1"):
        stages = [stage.attack for stage in read_suite(attack, Path()).stages if "features" in stage.threats]
        gradient = any(True for _ in model.parameters())
        attack = BestOf(tuple(make(stage) for stage in stages if gradient or stage.startswith("evolve")))
    return assail(model, make(attack) if isinstance(attack, str) else attack, X, Y, table).adversarial.numpy()


def layers(net):
    """Return the (weight, bias) of each layer, on features as they are."""
    found = [[p.detach().double().numpy() for p in (m.weight, m.bias)] for m in net.layers if isinstance(m, nn.Linear)]
    scaled = found[0][0] / net.std.double().numpy()
    return [(scaled, found[0][1] - scaled @ net.mean.double().numpy()), *map(tuple, found[1:])]


def is_wrong(model):
    return (model(X).argmax(1) != Y).numpy()


def test_of_a_linear_model_exactly_those_fall_that_a_linear_program_says():
    """Under one relation, and floats alone in it: to 1e-6 of the margin."""
    table, net = threat(relations=["spending == rent + food + other"]), train(*LEARN)
    ((weight, bias),) = layers(net)
    margins = np.array([linear_margin(admitted(table, x), weight, bias, int(y)) for x, y in zip(X, Y, strict=True)])
    truth = is_wrong(net) | (margins > TRUTH)

    assert (np.abs(margins) > 1e-4).all()
    assert 0.1 < 1 - truth.mean() < 0.8
    for attack in ("capgd:steps=10", "frankwolfe:steps=1", "evolve:steps=100", "quick-1"):
        assert (count(attack, net, table) == truth).all(), attack


def test_the_row_that_the_gradient_points_to_is_the_linear_programs():
    table, net = threat(relations=["spending == rent + food + other"]), train(*LEARN)
    ((weight, bias),) = layers(net)
    grad = torch.from_numpy(weight[1 - Y] - weight[Y]).float()
    found = table.corner(X, grad).double().numpy()
    reached = ((weight[1 - Y] - weight[Y]) * found).sum(1) + bias[1 - Y] - bias[Y]
    margins = [linear_margin(admitted(table, x), weight, bias, int(y)) for x, y in zip(X, Y, strict=True)]

    assert np.abs(reached - margins).max() < 1e-5  # of a gradient and of rows in float32


def test_of_a_network_the_suites_are_within_two_points_of_the_truth_and_never_below():
    table, net = threat(), train(*LEARN, hidden=8)
    margins = [network_margin(admitted(table, x), *layers(net), int(y)) for x, y in zip(X, Y, strict=True)]
    truth = is_wrong(net) | (np.array(margins) > TRUTH)
    names = ("noise:steps=20", "pgd:loss=margin:steps=20", "capgd:steps=20", "frankwolfe:steps=6", "quick-1")
    found = {name: count(name, net, table) for name in names}
    robust = {name: 100 * (1 - broken.mean()) for name, broken in found.items()}

    assert all((truth | ~broken).all() for broken in found.values())
    assert robust["noise:steps=20"] >= robust["pgd:loss=margin:steps=20"] >= robust["capgd:steps=20"]
    assert robust["quick-1"] <= 100 * (1 - truth.mean()) + 2


class Boosted(nn.Module):
    """Boosted trees of scikit-learn, which have no gradient."""

    def __init__(self, trees):
        super().__init__()
        self.trees = trees

    def forward(self, x):
        score = torch.from_numpy(self.trees.decision_function(x.detach().numpy())).float()
        return torch.stack([-score / 2, score / 2], 1)


@pytest.mark.parametrize("suite", ["quick-1"])
def test_of_boosted_trees_the_search_is_within_two_points_and_never_below(suite):
    table = threat()
    trees = GradientBoostingClassifier(n_estimators=8, max_depth=2, learning_rate=0.5, random_state=0)
    trees.fit(LEARN[0].numpy(), LEARN[1].numpy())
    model, base = Boosted(trees), float(trees._raw_predict_init(X[:1].numpy())[0, 0])
    parts = [estimator.tree_ for estimator in trees.estimators_[:, 0]]
    plain = [(t.children_left, t.children_right, t.feature, t.threshold, 0.5 * t.value[:, 0, 0]) for t in parts]
    margins = [trees_margin(admitted(table, x), plain, base, int(y)) for x, y in zip(X, Y, strict=True)]
    truth, broken = is_wrong(model) | (np.array(margins) > TRUTH), count(suite, model, table)
    drawn = count("noise:steps=200", model, table)

    assert (truth | ~broken).all()
    assert 100 * (truth.mean() - broken.mean()) <= 2
    assert broken.mean() >= drawn.mean()
