"""The oracles against answers that are known, and against each other's definition at random points."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import minimize

from tests.oracles.l2 import least_in_l2, least_in_l2_and_box
from tests.oracles.margins import adversarial_distance, least_margin
from tests.oracles.regions import answer, regions

IDENTITY = [(np.eye(2), np.zeros(2))]
# |z - 0.5| as two units; class 0 leads where it is above 0.25.
TENT = [(np.array([[1.0], [-1.0]]), np.array([-0.5, 0.5])), (np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([0, 0.25]))]


def drawn(seed, sizes=(3, 4, 3, 3)):
    """Return a random network of these sizes, and an input."""
    rng = np.random.default_rng(seed)
    layers = [(rng.normal(size=(n, m)), rng.normal(size=n) / 2) for m, n in pairwise(sizes)]
    return layers, rng.uniform(size=sizes[0]), rng


def margin(layers, z, y):
    logits = answer(layers, z)
    return logits[y] - np.delete(logits, y).max()


def test_the_least_margin_of_a_linear_network_is_at_a_corner():
    assert least_margin(IDENTITY, np.array([0.8, 0.3]), 0, 0.1) == pytest.approx(0.3)
    assert least_margin(IDENTITY, np.array([0.95, 0.02]), 1, 0.1) == pytest.approx(-1.0)  # the box ends the ball


def test_the_least_margin_of_a_tent_is_in_its_middle():
    assert least_margin(TENT, np.array([0.6]), 0, 0.3) == pytest.approx(-0.25)
    assert least_margin(TENT, np.array([0.9]), 0, 0.1) == pytest.approx(0.05)


def test_the_adversarial_distance_of_a_tent():
    assert adversarial_distance(TENT, np.array([0.9]), 0) == pytest.approx(0.15)
    assert adversarial_distance(TENT, np.array([0.6]), 0) == 0
    assert adversarial_distance([(np.zeros((2, 1)), np.array([1.0, 0]))], np.array([0.6]), 0) == math.inf


def test_each_point_is_in_a_region_with_its_logits():
    layers, _, rng = drawn(0)
    found = [*regions(layers, np.zeros(3), np.ones(3))]
    assert len(found) > 5
    for z in rng.uniform(size=(50, 3)):
        held = [each for each in found if np.all(each.a @ z <= each.b + 1e-9)]
        assert held
        for each in held:
            np.testing.assert_allclose(each.weight @ z + each.bias, answer(layers, z), atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_no_point_is_below_the_least_margin_and_descent_comes_near_it(seed):
    layers, x, rng = drawn(seed)
    y, eps = int(answer(layers, x).argmax()), 0.2
    exact = least_margin(layers, x, y, eps)
    box = np.clip(x - eps, 0, 1), np.clip(x + eps, 0, 1)
    points = rng.uniform(*box, size=(3000, 3))
    sampled = min(margin(layers, z, y) for z in points)
    assert exact <= sampled + 1e-9
    assert sampled - exact < 0.2


@pytest.mark.parametrize("seed", range(3))
def test_the_least_margin_is_zero_at_the_adversarial_distance(seed):
    layers, x, _ = drawn(seed)
    y = int(answer(layers, x).argmax())
    distance = adversarial_distance(layers, x, y)
    if distance == math.inf:
        assert least_margin(layers, x, y, 1.0) > 0
    else:
        assert least_margin(layers, x, y, distance + 1e-6) <= 1e-9
        assert least_margin(layers, x, y, distance - 1e-4) > 0


@pytest.mark.parametrize("seed", range(6))
def test_the_least_value_in_l2_is_that_of_a_solver(seed):
    rng = np.random.default_rng(seed)
    w, x, eps = rng.normal(size=5), rng.uniform(size=5), [0.05, 0.3, 0.6, 0.8, 1.2, 3.0][seed]
    inside = {"type": "ineq", "fun": lambda z: eps**2 - np.sum((z - x) ** 2)}
    found = minimize(lambda z: w @ z, x, bounds=[(0, 1)] * 5, constraints=[inside], tol=1e-12)
    assert least_in_l2_and_box(w, x, eps) == pytest.approx(found.fun, abs=1e-6)
    assert least_in_l2_and_box(w, x, eps, -9, 9) == pytest.approx(least_in_l2(w, x, eps))
