import pytest
import torch

from robust.attacks import FGSM, PGD, LpThreat, assail, make
from robust.attacks.criteria.classification import CLASS
from robust.attacks.losses import LOSSES, margin
from tests.attacks.models import inputs, network

LOGITS = torch.tensor([[3.0, 1.0, -2.0], [0.5, 2.5, 2.0], [1.0, 1.0, 0.0]], dtype=torch.float64)
Y = torch.tensor([0, 2, 1])


def gradient(loss, logits, target=None):
    leaf = logits.clone().requires_grad_()
    (grad,) = torch.autograd.grad(CLASS.loss(loss, leaf, Y[: len(leaf)], target).sum(), leaf)
    return grad


def test_no_scale_turns_the_gradient_of_the_scale_free_cross_entropy():
    one, other = (scale * gradient("sice", scale * LOGITS[:2]) for scale in (1.0, 1e4))

    torch.testing.assert_close(one, other)
    assert gradient("ce", LOGITS[:2])[0].abs().max() > 0.1
    assert gradient("ce", 1e4 * LOGITS[:2])[0].abs().max() == 0


@pytest.mark.parametrize("target", [None, torch.tensor([1])], ids=["untargeted", "targeted"])
@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("loss", ["ce", "margin", "sice"])
def test_a_loss_rises_all_the_way_to_the_boundary_and_beyond(loss, classes, target):
    """Selection by the loss then selects the nearest samples."""
    way = torch.arange(-3.0, 3.0, 0.25)
    logits = torch.zeros(len(way), classes)
    logits[:, 1], logits[:, 2:] = way, -5.0
    y = torch.zeros(len(way), dtype=torch.int64)
    value = CLASS.loss(loss, logits, y, None if target is None else target.expand(len(way)))

    assert (value.diff() > 0).all()


def test_attacks_that_select_by_the_loss_can_use_the_scale_free_one():
    model, x = network(), inputs(200)
    y, threat = model(x).argmax(1), LpThreat.parse("linf:0.02")
    fell = {
        loss: int(assail(model, make(f"square:steps=200:loss={loss}"), x, y, threat).adversarial.sum())
        for loss in ("margin", "sice")
    }

    assert 40 < fell["margin"] < 200
    assert fell["sice"] == fell["margin"]


@pytest.mark.parametrize("target", [None, torch.tensor([1, 0, 2])], ids=["untargeted", "targeted"])
def test_its_gap_is_a_constant_to_the_gradient(target):
    """The gradient is that of the cross-entropy of the logits over the gap, over the gap."""
    leaf = LOGITS[:2].clone().requires_grad_()
    aim = None if target is None else target[:2]
    (grad,) = torch.autograd.grad(CLASS.loss("sice", leaf, Y[:2], aim).sum(), leaf)
    gap = torch.tensor([[2.0], [0.5]], dtype=torch.float64)
    scaled = (LOGITS[:2] / gap).requires_grad_()
    (expected,) = torch.autograd.grad(CLASS.loss("ce", scaled, Y[:2], aim).sum(), scaled)

    torch.testing.assert_close(grad, expected / gap)


def test_a_tie_of_logits_is_no_division_by_zero():
    assert CLASS.loss("sice", LOGITS[2:], Y[2:]).isfinite().all()


def test_it_finds_what_underflow_hides():
    """The softmax of such logits is 0 and 1 exactly in float32, and has no gradient; these losses have one."""
    model, x = network(dtype=torch.float32), inputs(dtype=torch.float32)
    y, threat = model(x).argmax(1), LpThreat.parse("linf:0.1")

    def loud(x):
        return 1e6 * model(x)

    fell = {loss: int(assail(loud, FGSM(loss), x, y, threat).adversarial.sum()) for loss in ("ce", "sice")}
    assert fell["ce"] < 10
    assert fell["sice"] > 40


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_rises_towards_its_target(loss):
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    nearer = torch.tensor([[2.0, 1.5, 0.0, -1.0]])
    y, target = torch.tensor([0]), torch.tensor([1])

    assert CLASS.loss(loss, nearer, y, target) > CLASS.loss(loss, logits, y, target)


def test_an_input_that_is_not_admitted_is_not_near():
    """FAB looks outside of the ball, where any label is wrong."""
    model, x = network(), inputs()
    y = model(x).argmax(1)
    outcome = assail(model, make("fab:steps=5:targets=2"), x, y, LpThreat.parse("linf:0.005"))

    assert not outcome.adversarial.all()
    assert (outcome.margin[~outcome.adversarial] <= 0).all()


def test_the_outcome_tells_how_near_each_sample_came():
    model, x = network(), inputs()
    y, threat = model(x).argmax(1), LpThreat.parse("linf:0.02")
    outcome = assail(model, PGD(steps=5), x, y, threat)
    clean = margin(model(x), y)

    assert outcome.adversarial.any()
    assert not outcome.adversarial.all()
    assert (outcome.margin[outcome.adversarial] > 0).all()
    assert (outcome.margin[~outcome.adversarial] <= 0).all()
    assert (outcome.margin >= clean).all()
    assert (outcome.margin > clean).sum() > 40
