"""The driver for Python: what it certifies, and what it cannot begin with."""

import pytest
import torch
from torch import nn

from robust.attacks import LpThreat
from robust.certification import NoBoundsError, certify_samples

THREAT = LpThreat.parse("linf:0.1")


def linear():
    """A model whose margin between its two classes is x[0] - x[1]."""
    model = nn.Linear(2, 2, bias=False)
    model.weight.data = torch.eye(2)
    return model


X, Y = torch.tensor([[0.9, 0.1], [0.5, 0.4], [0.1, 0.9]]), torch.tensor([0, 0, 0])


@pytest.mark.parametrize("method", ["ibp", "crown", "alpha-crown"])
def test_it_certifies_what_keeps_a_margin_over_the_ball(method):
    certificate = certify_samples(linear(), X, Y, THREAT, method)

    assert certificate.certified.tolist() == [True, False, False]
    assert certificate.margin[:2] == pytest.approx([0.6, -0.1], abs=1e-4)
    assert certificate.margin[2] == float("-inf")  # it is answered wrong, so nothing was asked
    assert certificate.method == method


def test_a_model_of_float64_is_asked_in_its_type():
    assert certify_samples(linear().double(), X.double(), Y, THREAT).certified.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("changed", "error", "told"),
    [
        ({"model": lambda x: x}, TypeError, "expected a torch.nn.Module"),
        ({"x": X.numpy()}, TypeError, "give torch.from_numpy of it"),
        ({"y": Y.int()}, TypeError, "give y.long()"),
        ({"y": Y + 7}, ValueError, "the model has 2 classes; expected 0 to 1"),
        ({"x": X[:0], "y": Y[:0]}, ValueError, "there are no samples"),
        ({"threat": "linf:0.1"}, TypeError, r"give LpThreat.parse\('linf:0.1'"),
        ({"method": "crwn"}, ValueError, "unknown method 'crwn', did you mean 'crown'"),
        ({"threat": LpThreat.parse("l1:1")}, NoBoundsError, "certificates are for linf and l2"),
    ],
)
def test_what_it_cannot_begin_with_is_told(changed, error, told):
    with pytest.raises(error, match=told):
        certify_samples(**{"model": linear(), "x": X, "y": Y, "threat": THREAT} | changed)
