"""The drivers refuse what they cannot begin with, in one line that says what to give."""

import re
from collections import namedtuple
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from robust.attacks import DDN, PGD, LpThreat, assail, minimize_norm
from tests.attacks.models import inputs, network

MODEL, X, Y = network(), inputs(3), torch.tensor([0, 1, 2])
LINF = LpThreat.parse("linf:0.1")
Answer = namedtuple("Answer", ["logits", "features"])


class Answers(nn.Module):
    """A network whose answer is changed."""

    def __init__(self, change):
        super().__init__()
        self.network, self.change = MODEL, change

    def forward(self, x):
        return self.change(self.network(x))


def attack(model=MODEL, with_=PGD(steps=1), x=X, y=Y, threat=LINF):  # noqa: B008 - it is frozen
    assail(model, with_, x, y, threat)


def answer(change):
    return lambda: attack(Answers(change))


WRAP = "wrap the model in a module whose forward returns self.model(x)"
WRONG = [
    (lambda: attack(model="net.py"), TypeError, "the model is of type str, expected a torch.nn.Module, or a function"),
    (lambda: attack(with_="pgd:steps=3"), TypeError, "the attack is text; give make('pgd:steps=3')"),
    (lambda: attack(with_=PGD), TypeError, "the attack is a class; give an object, as PGD()"),
    (lambda: attack(with_=3), TypeError, "the attack is of type int, expected an attack, as PGD(steps=40) or make("),
    (lambda: attack(x=X.numpy()), TypeError, "x, the inputs, must be a torch.Tensor, got numpy.ndarray; give torch."),
    (lambda: attack(x=X.tolist()), TypeError, "x, the inputs, must be a torch.Tensor, got list; give torch.as_tensor"),
    (lambda: attack(x=(255 * X).byte()), TypeError, "the inputs are uint8, expected floats within the threat's bounds"),
    (
        lambda: attack(x=X.long()),
        TypeError,
        "the inputs are int64, expected floats within the threat's bounds; give x.",
    ),
    (
        lambda: attack(x=X[0], y=Y[0]),
        ValueError,
        "the labels have shape [], expected (N,), one whole number per sample",
    ),
    (lambda: attack(x=X[0]), ValueError, f"there are inputs of shape {[*X[0].shape]} and 3 labels; x is (N, *feat"),
    (lambda: attack(y=Y.numpy()), TypeError, "y, the labels, must be a torch.Tensor, got numpy.ndarray; give torch."),
    (lambda: attack(y=Y[:2]), ValueError, f"there are inputs of shape {[*X.shape]} and 2 labels; x is (N, *features)"),
    (lambda: attack(y=Y.float()), TypeError, "the labels are float32, expected int64; give y.long() if they are whole"),
    (lambda: attack(y=torch.eye(10)[Y]), ValueError, "the labels have shape [3, 10], expected (N,), one whole"),
    (lambda: attack(y=Y + 8), ValueError, "the labels go from 8 to 10, and the model has 10 classes; expected 0 to 9"),
    (lambda: attack(y=Y - 1), ValueError, "the labels go from -1 to 1, and the model has 10 classes; expected 0 to 9"),
    (lambda: attack(threat="linf:8/255"), TypeError, "the threat is text, which says no bounds; give LpThreat.parse("),
    (lambda: attack(threat="linf:1/255+l2:1"), TypeError, "the threat is text, which says no bounds; give Union((LpTh"),
    (lambda: attack(threat=8 / 255), TypeError, "the threat is of type float, expected a threat model, as LpThreat.pa"),
    (lambda: attack(x=X - 1), ValueError, "the inputs go from -"),
    (answer(lambda z: (z, z)), TypeError, f"the model returned a tuple, expected a tensor of logits; {WRAP}[0]"),
    (answer(lambda z: [z]), TypeError, f"the model returned a list, expected a tensor of logits; {WRAP}[0]"),
    (answer(lambda z: ("aux", z)), TypeError, f"the model returned a tuple, expected a tensor of logits; {WRAP}[1]"),
    (answer(lambda z: {"x": z, "logits": z}), TypeError, f"expected a tensor of logits; {WRAP}['logits']"),
    (answer(lambda z: {"out": z}), TypeError, f"the model returned a dict, expected a tensor of logits; {WRAP}['out']"),
    (answer(lambda z: Answer(z, z)), TypeError, f"Answer, expected a tensor of logits; {WRAP}.logits"),
    (answer(lambda z: SimpleNamespace(logits=z)), TypeError, f"Namespace, expected a tensor of logits; {WRAP}.logits"),
    (
        answer(lambda z: None),
        TypeError,
        "the model returned a NoneType, expected a tensor of logits; return the",
    ),
    (
        answer(lambda z: z[:, 0]),
        ValueError,
        "the model answered 3 samples with shape [3], expected logits (N, classes)",
    ),
    (answer(lambda z: z[:, :1]), ValueError, "the model answered 3 samples with shape [3, 1], expected logits (N, cla"),
    (answer(lambda z: z[:, :, None, None]), ValueError, "the model answered 3 samples with shape [3, 10, 1, 1], exp"),
    (answer(lambda z: z.round().long()), TypeError, "the model answered with int64, expected logits, which are floats"),
]


@pytest.mark.parametrize(("wrong", "error", "message"), WRONG, ids=[message for _, _, message in WRONG])
def test_a_wrong_argument_is_one_line_that_says_what_to_give(wrong, error, message):
    with pytest.raises(error, match=re.escape(message)) as caught:
        wrong()

    assert "\n" not in str(caught.value)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda: minimize_norm(MODEL, DDN(), X.numpy(), Y, "l2"), TypeError, "x, the inputs, must be a torch.Tensor"),
        (lambda: minimize_norm(MODEL, DDN(), X, Y.float(), "l2"), TypeError, "the labels are float32, expected int64"),
        (lambda: minimize_norm(MODEL, DDN(), X, Y, "L2"), ValueError, "unknown norm 'L2', did you mean 'l2'? "),
        (lambda: minimize_norm(MODEL, DDN(), X, Y, LINF), ValueError, "unknown norm 'linf:0.1', did you mean 'linf'? "),
        (lambda: minimize_norm(Answers(lambda z: (z,)), DDN(), X, Y, "l2"), TypeError, f"of logits; {WRAP}[0]"),
        (lambda: minimize_norm(MODEL, DDN(), 255 * X, Y, "l2"), ValueError, "give those of the data, as LpThreat"),
    ],
)
def test_the_search_for_the_smallest_perturbation_has_the_same_door(wrong, error, message):
    with pytest.raises(error, match=re.escape(message)):
        wrong()
