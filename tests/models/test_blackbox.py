"""Models that only answer: their inputs, and the faults of their answers."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from robust.models.blackbox import BlackBox, build_ask, is_black_box
from robust.models.ensemble import Ensemble

SHAPE, CLASSES = (2, 3), 4


def box(thing):
    return BlackBox(build_ask(thing, CLASSES), SHAPE, CLASSES)


class Estimator:
    """An estimator that records the shapes of its inputs."""

    def __init__(self, classes=range(CLASSES)):
        self.classes_ = np.array([*classes])
        self.shapes = set()

    def predict_proba(self, x):
        self.shapes.add(x.shape[1:])
        return np.full((len(x), len(self.classes_)), 1 / len(self.classes_))


class Labeller:
    def predict(self, x):
        return np.arange(len(x)) % CLASSES


def test_an_estimator_gets_rows_and_its_classes_are_where_they_belong():
    estimator = Estimator([3, 1])
    found = box(estimator)(torch.rand(5, *SHAPE))

    assert estimator.shapes == {(6,)}
    torch.testing.assert_close(found.exp()[0], torch.tensor([0, 0.5, 0, 0.5]))
    assert found.isfinite().all()


def test_a_function_gets_the_inputs_as_they_are():
    shapes = set()

    def ask(x):
        shapes.add((type(x), x.dtype, x.shape[1:]))
        return torch.zeros(len(x), CLASSES)

    box(ask)

    assert shapes == {(np.ndarray, np.dtype("float32"), SHAPE)}


@pytest.mark.parametrize("thing", [Labeller(), Labeller().predict])
def test_labels_are_scores_of_one_and_zero_and_that_is_reported(thing):
    module = box(thing)

    assert torch.equal(module(torch.rand(5, *SHAPE)), torch.eye(CLASSES)[[0, 1, 2, 3, 0]])
    assert module.notes


def test_what_is_asked_is_not_changed_and_gets_no_gradient():
    module, x = box(lambda x: x.reshape(len(x), -1)[:, :CLASSES]), torch.rand(2, *SHAPE, requires_grad=True)

    assert not module(x).requires_grad
    assert module(x.double()).dtype == torch.float64
    assert not module.notes


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (lambda x: np.zeros((len(x), 3)), "answered 8 inputs with scores of shape [8, 3], expected [8, 4]"),
        (lambda x: np.zeros((1, CLASSES)), "answered 8 inputs with scores of shape [1, 4], expected [8, 4]"),
        (lambda x: 3, "answered 8 inputs with scores of shape [], expected [8, 4]"),
        (lambda x: np.full(len(x), 4), "answered with labels that are no whole numbers from 0 to 3"),
        (lambda x: np.full(len(x), 0.5), "answered with labels that are no whole numbers from 0 to 3"),
        (lambda x: ["cat"] * len(x), "answered with what are no numbers"),
        (lambda x: 1 / 0, "asking for its answers failed: ZeroDivisionError: division by zero (test_blackbox.py, line"),
        (Estimator([0, 7]), "its classes are [0, 7], expected whole numbers from 0 to 3"),
        (nn.Linear(2, 2), "a torch module has a gradient; name it without blackbox:"),
        (object(), "a object has no predict_proba and no predict, and is no function"),
    ],
)
def test_what_is_wrong_is_one_line(thing, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        box(thing)


def test_probabilities_that_are_none_are_refused():
    for value in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="probabilities below 0 or above 1; call them scores"):
            BlackBox(lambda x, value=value: ("probabilities", np.full((len(x), CLASSES), value)), SHAPE, CLASSES)


def test_an_ensemble_with_a_part_that_only_answers_only_answers():
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, CLASSES))

    assert is_black_box(Ensemble([net, box(Labeller())]))
    assert not is_black_box(Ensemble([net, net]))


def test_an_ensemble_is_as_sure_as_its_members_are_on_average():
    class Fixed(nn.Module):
        def __init__(self, *logits):
            super().__init__()
            self.logits = torch.tensor([logits])

        def forward(self, x):
            return self.logits.expand(len(x), -1)

    found = Ensemble([Fixed(1000.0, 0.0), Fixed(0.0, 1.0), Fixed(0.0, 1.0)])(torch.rand(2, 3))

    torch.testing.assert_close(found.softmax(1)[0, 0], (1 + 2 / (1 + torch.e)) / 3 * torch.tensor(1.0))
    assert found.isfinite().all()


@pytest.mark.parametrize(
    ("answer", "kind", "expected"),
    [
        (lambda x: np.full(len(x), -1.5), "", [0, -1.5]),
        (lambda x: np.full((len(x), 1), 0.5), "logit", [0, 0.5]),
        (lambda x: np.full(len(x), 0.75), "probability", [np.log(0.25), np.log(0.75)]),
        (lambda x: np.ones(len(x)), "", [0, 1]),
    ],
)
def test_one_number_is_for_two_classes(answer, kind, expected):
    module = BlackBox(build_ask(answer, 2, kind), SHAPE, 2)

    torch.testing.assert_close(module(torch.rand(1, *SHAPE))[0], torch.tensor(expected, dtype=torch.float32))


def test_one_number_that_may_be_a_probability_is_asked_for():
    with pytest.raises(ValueError, match="--robust-output=probability or --robust-output=logit"):
        BlackBox(build_ask(lambda x: np.full(len(x), 0.5), 2), SHAPE, 2)
