"""The criterion `class`, and one of the tests' own, which needs no change of the engine or of an attack."""

from dataclasses import replace

import pytest
import torch

from robust.attacks import APGD, PGD, LpThreat, Rng, Square, Task, assail
from robust.attacks.criteria.classification import CLASS
from robust.attacks.engine import answers
from robust.attacks.losses import LOSSES, margin
from tests.attacks.models import inputs, network

LOGITS = torch.tensor([[3.0, 1.0, -2.0], [0.5, 2.5, 2.0], [1.0, 1.0, 0.0], [1.0, 1.0, 0.0]], dtype=torch.float64)
Y = torch.tensor([0, 2, 1, 0])
THREAT = LpThreat.parse("linf:0.05")


class Within:
    """Accept the answer, (n, 1), if it is at most 0.2 from the label, (n,) float."""

    def __str__(self):
        return "within:0.2"

    def finite(self, output):
        return output.isfinite().all(1)

    def accepts(self, output, y):
        return (output[:, 0] - y).abs() <= 0.2

    def margin(self, output, y):
        return (output[:, 0] - y).abs() - 0.2

    def score(self, output, y):
        return (output[:, 0] - y).abs()

    def loss(self, name, output, y, target=None):
        return self.margin(output, y) if name == "margin" else (output[:, 0] - y).square()


def test_the_largest_logit_decides_and_of_equal_ones_the_first():
    assert CLASS.accepts(LOGITS, Y).tolist() == [True, False, False, True]
    assert CLASS.score(LOGITS, Y).tolist() == [1, 0, 0, 1]
    assert CLASS.margin(LOGITS, Y).tolist() == [-2, 0.5, 0, 0]


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_one_logit_that_is_not_finite_is_an_answer_that_is_not(value):
    logits = LOGITS.clone()
    logits[1, 2] = value

    assert CLASS.finite(logits).tolist() == [True, False, True, True]


@pytest.mark.parametrize("name", ["ce", "margin", "sice", "dlr"])
def test_its_losses_are_those_of_the_table(name):
    plain, _ = LOSSES[name]

    assert torch.equal(CLASS.loss(name, LOGITS, Y), plain(LOGITS, Y))


def test_it_is_the_default_of_a_task():
    task = Task.of(network(), inputs(3), torch.zeros(3, dtype=torch.int64), THREAT, Rng.of(0, torch.arange(3)))

    assert (task.criterion, str(task.criterion)) == (CLASS, "class")


def test_a_loss_of_ones_own_has_no_targeted_form():
    task = Task.of(network(), inputs(3), torch.zeros(3, dtype=torch.int64), THREAT, Rng.of(0, torch.arange(3)))

    task.ascent(task.x, margin)
    with pytest.raises(ValueError, match="a loss of your own has no targeted form"):
        replace(task, target=torch.ones_like(task.y)).ascent(task.x, margin)


@pytest.mark.parametrize(
    "attack", [PGD(steps=10), PGD(steps=10, loss="margin"), APGD(steps=10), Square(steps=50)], ids=str
)
def test_the_engine_judges_by_another_criterion(attack):
    model, x = network(classes=1), inputs(50)
    y = model(x)[:, 0].detach() + 0.18
    outcome = assail(model, attack, x, y, THREAT, criterion=Within())

    assert outcome.adversarial.any()
    missed = (model(outcome.x_adv)[:, 0] - y).abs() > 0.2
    assert torch.equal(missed, outcome.adversarial)
    right, faulty = answers(model, x, y, criterion=Within())
    assert right.all()
    assert not faulty.any()
