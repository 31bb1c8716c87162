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


# Values and several labels

X = torch.rand(5, *SHAPE)


class Regressor:
    """A regressor of one value, or of `width`."""

    def __init__(self, width=None):
        self.width = width

    def predict(self, x):
        total = 1000 * x.sum(1)
        return total if self.width is None else np.stack([total] * self.width, 1)


class ManyLabels:
    """scikit-learn's answer for several labels: probabilities (n, 2) of each, in a list."""

    def predict_proba(self, x):
        share = np.clip(x.mean(1), 0, 1)
        return [np.stack([1 - share, share], 1), np.stack([share, 1 - share], 1)]


def other(thing, labels, width, kind=""):
    return BlackBox(build_ask(thing, width, kind, labels), SHAPE, width, labels)


@pytest.mark.parametrize(
    ("thing", "width"),
    [(Regressor(), 1), (Regressor(1), 1), (Regressor(3), 3), (lambda x: 1000 * x.sum((1, 2)), 1)],
)
def test_a_regressor_answers_with_its_values(thing, width):
    found = other(thing, "values", width)(X)

    torch.testing.assert_close(found, 1000 * X.sum((1, 2))[:, None].expand(5, width))


def test_regressors_are_told_apart_by_their_answers_also_by_one_number_each():
    first, second = (other(lambda x, by=by: by * x.sum((1, 2)), "values", 1).answers for by in (1, 2))

    assert not torch.equal(first, second)
    assert torch.equal(first, other(lambda x: (1 + 1e-9) * x.sum((1, 2)), "values", 1).answers)


def test_several_labels_are_logits_of_their_own():
    share = X.mean((1, 2))
    expected = torch.stack([share.logit(), (1 - share).logit()], 1)
    torch.testing.assert_close(other(ManyLabels(), "bits", 2)(X), expected)

    asked = other(lambda x: np.stack([x.mean((1, 2)), 1 - x.mean((1, 2))], 1), "bits", 2, "probability")
    torch.testing.assert_close(asked(X), expected)
    bits = other(lambda x: np.stack([x.mean((1, 2)) > 0.5, x.mean((1, 2)) > 2], 1), "bits", 2)
    assert bits(X).tolist() == [[1 if mean > 0.5 else -1, -1] for mean in share]
    assert bits.notes


@pytest.mark.parametrize(
    ("thing", "labels", "width", "told"),
    [
        (Regressor(2), "values", 1, "with values of shape [8, 2], expected [8, 1]"),
        (ManyLabels(), "bits", 3, "answered 8 inputs with probabilities of shape [8, 2], expected [8, 3] of labels"),
        (lambda x: np.full((len(x), 2), 0.5), "bits", 2, "numbers from 0 to 1; say what they are: --robust-output="),
    ],
)
def test_answers_that_are_not_of_the_labels_are_refused(thing, labels, width, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        other(thing, labels, width)


@pytest.mark.parametrize(
    ("kind", "labels", "told"),
    [("values", "class", "with values, and the data's labels are classes"), ("labels", "values", "with labels, and")],
)
def test_an_endpoint_that_answers_for_other_labels_is_refused(kind, labels, told):
    with pytest.raises(ValueError, match=told):
        BlackBox(lambda x: (kind, np.zeros((len(x), 2))), SHAPE, 2, labels)
