"""Segmenters of 1x1 convolutions in every norm: what each attack that is for maps finds, beside the truth."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from robust.attacks import LpThreat, assail, make, minimize_norm, worsen_scores
from robust.attacks.combine.until import Until
from robust.attacks.criteria.registry import read_criterion
from robust.attacks.factory import find_refusal
from robust.attacks.registry import ATTACKS

NORMS = ("linf", "l2", "l1")
SHARE = 0.7
CRITERION = read_criterion(f"pixels:{SHARE}:ignore=255")
DUAL = {"linf": 1, "l2": 2, "l1": float("inf")}


class Problem(NamedTuple):
    """A segmenter with 30 maps, of which each pixel falls by itself, in one norm."""

    model: nn.Module
    x: Tensor
    y: Tensor
    costs: Tensor  # (n, pixels): how far each pixel is from falling, in order; inf where it does not count
    distance: Tensor  # (n,): the least perturbation on which too many have fallen
    threat: LpThreat  # under which half of the maps fall

    @property
    def eps(self):
        return float(self.threat.eps)


def problem(norm, counted=14, common=0.0, width=0.2):
    """Return a problem of two classes; a few labels are wrong, and a row of each map does not count."""
    generator = torch.Generator().manual_seed(2)
    model = nn.Conv2d(3, 2, 1, dtype=torch.float64)
    model.weight.data = torch.randn(2, 3, 1, 1, generator=generator, dtype=torch.float64)
    model.bias.data = common - model.weight.data.sum((1, 2, 3)) / 2
    x = 0.5 + width * (2 * torch.rand(30, 3, 4, 5, generator=generator, dtype=torch.float64) - 1)
    logits = model(x).detach()
    y = logits.argmax(1)
    y = torch.where(torch.rand(y.shape, generator=generator) < 0.02, 1 - y, y).flatten(1)
    y[:, counted:] = 255
    steep = torch.linalg.vector_norm(model.weight.data[1, :, 0, 0] - model.weight.data[0, :, 0, 0], DUAL[norm])
    ahead = (logits[:, 0] - logits[:, 1]).flatten(1)[:, :counted] * (1 - 2 * y[:, :counted])
    costs = (ahead / steep).clamp_min(0).sort(dim=1).values
    fatal = costs[:, : int(counted * (1 - SHARE)) + 1]
    distance = torch.linalg.vector_norm(fatal, float({"linf": "inf"}.get(norm, norm[1:])), dim=1)
    eps = float(distance.sort().values[14:16].mean())
    return Problem(model, x, y.view(30, 4, 5), costs, distance, LpThreat.parse(f"{norm}:{eps:.4f}"))


MARGIN = "loss=margin:start=0"
# By attack and norm: how it is called, and the share of eps that it may be short by. The first of a row is its claim.
SHOWN = {
    ("pgd", "linf"): [("pgd:loss=ce", 0), ("pgd:loss=margin", 0), ("pgd:loss=segpgd", 0), ("pgd:loss=js", 0),
                      ("pgd:loss=mask-ce", 0), ("pgd:loss=mask-ce-bal", 0), ("pgd:targets=2:restarts=2", 1),
                      ("pgd:loss=margin:odi=3:restarts=2", 0), ("pgd:loss=margin:eot=2", 0)],
    ("pgd", "l2"): [(f"pgd:{MARGIN}", 0), ("pgd:loss=margin", 0.2)],
    ("pgd", "l1"): [(f"pgd:steps=1000:stride=1:last=0.001:{MARGIN}", 0),
                    (f"pgd:steps=100:stride=1:last=0.01:{MARGIN}", 0.1)],
    ("apgd", "linf"): [("apgd:loss=margin", 0), ("apgd:loss=ce", 0), ("apgd:loss=mask-ce", 0)],
    ("apgd", "l2"): [("apgd:loss=margin:restarts=4", 0.01)],
    **{(name, norm): [(f"{name}:loss=margin", 0)] for name in ("fgsm", "bim", "mifgsm") for norm in ("linf", "l2")},
    ("fmn", "linf"): [("fmn", 0)],
    ("deepfool", "linf"): [("deepfool", 0)],
    ("square", "linf"): [("square:steps=600", 0)],
    ("square", "l2"): [("square:steps=600", 0.75)],
    # Nothing but that these are no worse than the truth.
    **{(name, norm): [(name, 1)] for name in ("noise", "worstof") for norm in NORMS},
}  # fmt: skip


def test_what_is_for_maps_is_shown_here_and_nothing_else():
    x = torch.full((1, 3, 4, 5), 0.5)
    threats = {norm: LpThreat.parse(f"{norm}:0.1") for norm in NORMS}
    claims = {
        (name, norm)
        for name in ATTACKS.names()
        for norm, threat in threats.items()
        if not find_refusal("torchattacks:PGD" if name == "torchattacks" else name, x, threat, 2, "map")
    }

    assert claims == SHOWN.keys()


@pytest.mark.parametrize(("name", "norm"), SHOWN)
def test_it_finds_the_maps_that_can_fall_and_no_other(name, norm):
    model, x, y, costs, distance, threat = seen = problem(norm)
    del costs

    for attack, short in SHOWN[name, norm]:
        found = assail(model, make(attack), x, y, threat, criterion=CRITERION)

        assert not found.adversarial[distance > seen.eps].any(), attack
        assert found.adversarial[distance <= (1 - short) * seen.eps].all(), attack
        assert (CRITERION.accepts(model(found.x_adv), y) != found.adversarial).all()
        assert threat.admits(found.x_adv, x).all()


SCORED = [spec for (_, norm), row in SHOWN.items() for spec, short in row if norm == "linf" and short == 0]


@pytest.mark.parametrize(
    "attack", [spec for spec in SCORED if spec not in ("fmn", "deepfool")]
)  # which stop at success
def test_under_linf_it_finds_the_exact_share(attack):
    model, x, y, costs, _, threat = seen = problem("linf")

    worst = worsen_scores(model, make(attack), x, y, threat, criterion=CRITERION)

    torch.testing.assert_close(worst.score, (costs > seen.eps).double().mean(1), atol=1e-6, rtol=0)


# Which pixels are given up is a choice among all: what seeks one more again and again, as a whole, makes it rightly.
@pytest.mark.parametrize(
    ("attack", "norm"),
    [(f"{name}:loss=margin", "l2") for name in ("pgd", "bim", "mifgsm")] + [(SHOWN["pgd", "l1"][0][0], "l1")],
)
def test_elsewhere_the_margin_finds_the_exact_share(attack, norm):
    model, x, y, costs, _, threat = seen = problem(norm)
    spent = costs.cumsum(1) if norm == "l1" else costs.square().cumsum(1).sqrt()

    worst = worsen_scores(model, make(attack), x, y, threat, criterion=CRITERION)

    torch.testing.assert_close(worst.score, (spent > seen.eps).double().mean(1), atol=1e-6, rtol=0)
    assert threat.admits(worst.x_adv, x).all()
    torch.testing.assert_close(worst.score, CRITERION.score(model(worst.x_adv), y).detach())


@pytest.mark.parametrize("attack", ["apgd:loss=margin", "fgsm:loss=margin"])
def test_the_share_that_others_find_is_a_bound(attack):
    model, x, y, costs, _, threat = seen = problem("l2")
    truth = (costs.square().cumsum(1).sqrt() > seen.eps).double().mean(1)

    score = worsen_scores(model, make(attack), x, y, threat, criterion=CRITERION).score

    assert (score >= truth - 1e-6).all()
    assert (score - truth).mean() < 0.01


def test_the_search_for_one_pixel_more_stops_when_it_is_told():
    model, x, y, _, _, threat = problem("l2")
    left = iter(range(60))
    attack = Until(make("pgd:loss=margin:start=0:steps=50"), lambda: next(left, None) is None)

    worst = worsen_scores(model, attack, x, y, threat, criterion=CRITERION)

    assert 51 < worst.cost.forwards.max() <= 65


@pytest.mark.parametrize("loss", ["ce", "margin", "segpgd", "js", "mask-ce", "mask-ce-bal", "mask-sph"])
@pytest.mark.parametrize("norm", NORMS)
def test_where_one_pixel_counts_every_loss_is_exact_in_every_norm(norm, loss):
    model, x, y, _, distance, threat = seen = problem(norm, counted=1, common=1000.0, width=0.1)

    found = assail(model, make(f"pgd:steps=100:loss={loss}:start=0"), x, y, threat, criterion=CRITERION)

    assert torch.equal(found.adversarial, distance <= seen.eps)


def test_of_logits_with_much_in_common_the_loss_on_the_sphere_is_exact():
    model, x, y, costs, distance, threat = seen = problem("linf", common=1000.0)
    attack = make("pgd:loss=mask-sph")

    found = assail(model, attack, x, y, threat, criterion=CRITERION)
    worst = worsen_scores(model, attack, x, y, threat, criterion=CRITERION)

    assert torch.equal(found.adversarial, distance <= seen.eps)
    torch.testing.assert_close(worst.score, (costs > seen.eps).double().mean(1), atol=1e-6, rtol=0)


def test_aimed_at_a_class_the_pixels_of_other_classes_fall():
    model, x, y, _, _, threat = seen = problem("linf")
    steep = (model.weight.data[1, :, 0, 0] - model.weight.data[0, :, 0, 0]).abs().sum()
    logits = model(x).detach()
    cost = (logits[:, 0] - logits[:, 1]) * (1 - 2 * y.clamp_max(1)) / steep
    counts = y != 255
    stay = [((cost > seen.eps) | ((y == aim) & (cost > 0))) & counts for aim in (0, 1)]
    robust = [kept.flatten(1).sum(1) >= SHARE * counts.flatten(1).sum(1) - 1e-9 for kept in stay]

    for loss in ("margin", "ce", "mask-ce"):
        found = assail(model, make(f"pgd:start=0:targets=2:loss={loss}"), x, y, threat, criterion=CRITERION)
        assert torch.equal(~found.adversarial, robust[0] & robust[1])


@pytest.mark.parametrize(("attack", "within"), [("fmn", 1e-3), ("deepfool", 0.02)])
def test_the_least_perturbation_under_linf(attack, within):
    model, x, y, _, distance, _ = problem("linf")

    found = minimize_norm(model, make(attack), x, y, "linf", criterion=CRITERION).distance

    torch.testing.assert_close(found, distance, rtol=within, atol=1e-6)


@pytest.mark.parametrize(
    ("attack", "norm"),
    [("fab:restarts=2", "linf"), ("ddn", "l2"), ("cw", "l2"), ("fmn", "l2"), ("apgd:targets=2", "l1")],
)
def test_what_is_not_for_maps_is_one_line(attack, norm):
    model, x, y, _, _, threat = problem(norm)
    name = attack.partition(":")[0]
    for drive in (
        lambda: assail(model, make(attack), x, y, threat, criterion=CRITERION),
        lambda: worsen_scores(model, make(attack), x, y, threat, criterion=CRITERION),
        lambda: minimize_norm(model, make(attack), x, y, norm, criterion=CRITERION),
    ):
        with pytest.raises(ValueError, match=f"^{name} is not for maps of classes under {norm}, .*; use pgd:loss="):
            drive()
