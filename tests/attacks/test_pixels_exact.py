"""Segmenters of 1x1 convolutions in every norm: what each attack that is for maps finds, beside the truth."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from robust.attacks import LpThreat, Product, assail, make, minimize_norm, worsen_scores
from robust.attacks.combine.until import Until
from robust.attacks.criteria.registry import read_criterion
from robust.attacks.factory import find_bound, find_refusal
from robust.attacks.families import BOUND, read_claim
from robust.attacks.grammar.product import PRODUCT
from robust.attacks.registry import ATTACKS
from robust.attacks.threats.threat import read_threat

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


NAMES = [name for name in ATTACKS.names() if name != "torchattacks"]
CLAIMS = {
    (name, norm): read_claim(ATTACKS.get(name), LpThreat.parse(f"{norm}:0.1"))
    for name in NAMES
    for norm in NORMS
    if not find_refusal(name, torch.full((1, 3, 4, 5), 0.5), LpThreat.parse(f"{norm}:0.1"), 2, "map")
}
EXACT = [(f"{name}:{claim}".rstrip(":"), norm) for (name, norm), claim in CLAIMS.items() if claim != BOUND]
FEWER = {"square": "square:steps=600"}  # steps than by default, which are enough here
# Under linf also with other options than by default; targets are for maps of which the pixels of one class suffice.
OTHERS = ["pgd:loss=margin", "pgd:loss=segpgd", "pgd:loss=js", "pgd:loss=mask-ce", "pgd:loss=mask-ce-bal",
          "pgd:loss=margin:odi=3:restarts=2", "pgd:loss=margin:eot=2", "apgd:loss=margin", "apgd:loss=mask-ce",
          "fgsm:loss=margin", "bim:loss=margin", "mifgsm:loss=margin"]  # fmt: skip


def test_what_each_attack_claims():
    """Compare what is listed here with the table of docs/other-tasks.md; `torchattacks` is for classes alone."""
    exact = {(spec.partition(":")[0], norm) for spec, norm in EXACT}

    assert exact == {
        *((name, "linf") for name in ("apgd", "bim", "deepfool", "fgsm", "fmn", "mifgsm", "pgd", "square")),
        *((name, "l2") for name in ("apgd", "bim", "fgsm", "mifgsm", "pgd")),
        ("pgd", "l1"),
    }
    assert CLAIMS.keys() - exact == {("square", "l2"), *((name, n) for name in ("noise", "worstof") for n in NORMS)}


def truth(seen, norm):
    """Return (the maps that can fall, the least share of right pixels), each (n,)."""
    spent = {"l1": seen.costs.cumsum(1), "l2": seen.costs.square().cumsum(1).sqrt(), "linf": seen.costs}[norm]
    return seen.distance <= seen.eps, (spent > seen.eps).double().mean(1)


@pytest.mark.parametrize(("attack", "norm"), EXACT + [(spec, "linf") for spec in OTHERS])
def test_it_finds_the_maps_that_can_fall_and_the_exact_share(attack, norm):
    model, x, y, _, _, threat = seen = problem(norm)
    can, share = truth(seen, norm)
    made = make(FEWER.get(attack, attack))

    found = assail(model, made, x, y, threat, criterion=CRITERION)
    worst = worsen_scores(model, made, x, y, threat, criterion=CRITERION)

    assert 10 < can.sum() < 20
    assert torch.equal(found.adversarial, can)
    torch.testing.assert_close(worst.score, share, atol=1e-6, rtol=0)
    for x_adv in (found.x_adv, worst.x_adv):
        assert threat.admits(x_adv, x).all()
    assert (CRITERION.accepts(model(found.x_adv), y) != found.adversarial).all()
    torch.testing.assert_close(worst.score, CRITERION.score(model(worst.x_adv), y).detach())
    assert not find_bound(attack, threat)


# What else it is called with: the most that it may be short by, as a share of eps.
SHORT = {("pgd:loss=margin", "l2"): 0.2, ("apgd:loss=margin", "l2"): 0.2, ("square:steps=600", "l2"): 0.75,
         ("pgd:steps=100:stride=1:last=0.01:loss=margin:start=0", "l1"): 0.1}  # fmt: skip
SHORT |= {("pgd:targets=2:restarts=2", "linf"): 1.0}
SHORT |= {key: 1.0 for key, claim in CLAIMS.items() if claim == BOUND and key[0] != "square"}


@pytest.mark.parametrize(("attack", "norm"), SHORT)
def test_what_is_a_bound_is_one(attack, norm):
    model, x, y, *_, threat = seen = problem(norm)
    can, share = truth(seen, norm)

    found = assail(model, make(attack), x, y, threat, criterion=CRITERION)
    worst = worsen_scores(model, make(attack), x, y, threat, criterion=CRITERION)

    assert not (found.adversarial & ~can).any()
    assert found.adversarial[seen.distance <= (1 - SHORT[attack, norm]) * seen.eps].all()
    assert (worst.score >= share - 1e-6).all()
    assert threat.admits(worst.x_adv, x).all()


@pytest.mark.parametrize(
    ("attack", "threat", "told"),
    [
        ("noise", "linf:0.1", "noise: of maps of classes under linf:0.1 a bound only; pgd:loss=margin or "),
        ("square", "l2:1", "square: of maps of classes under l2:1 a bound only; pgd:loss=margin or "),
        ("pgd:surrogate=net.py:f", "linf:0.1", "pgd:surrogate=net.py:f: of maps of classes under linf:0.1 a bound"),
        ("pgd", "l2:1", "pgd: of maps of classes under l2:1 a bound only; with loss=margin:start=0 it is exact where "),
        ("pgd:loss=margin:start=0", "l2:1+linf:0.1", ""),
        ("pgd:loss=margin:start=0:stride=1:last=0.001:steps=2000", "l1:1", ""),
        ("pgd:loss=margin:start=0:stride=1:last=0.001", "l1:1", "pgd:loss=margin:start=0:stride=1:last=0.001: of "),
        ("apgd:restarts=2", "linf:0.1", ""),
    ],
)  # fmt: skip
def test_what_is_a_bound_is_told_so(attack, threat, told):
    found = find_bound(attack, read_threat(threat))

    assert found.startswith(told)
    assert bool(found) == bool(told)


def test_pixels_that_may_be_any_colour_fall_one_by_one():
    """A budget of pixels turns as many, of those that some colour turns."""
    model, x, y, *_ = problem("linf", width=0.5)
    weight = (model.weight.data[1] - model.weight.data[0])[None]
    answer, counts = model(x).detach(), y != 255
    ahead = (answer[:, 0] - answer[:, 1]) * (1 - 2 * y.clamp_max(1))
    up, down = ((torch.where(way, 1 - x, x) * weight.abs()).sum(1) for way in (weight > 0, weight < 0))
    wrong = ((ahead < 0) & counts).flatten(1).sum(1)
    loose = ((ahead >= 0) & (ahead < torch.where(y == 0, up, down)) & counts).flatten(1).sum(1)
    for budget in (2, 4):
        share = 1 - (wrong + loose.clamp_max(budget)).double() / counts.flatten(1).sum(1)
        for attack in ("pgd", "pgd:loss=margin", "spgd"):
            threat = read_threat(f"l0:{budget}")
            found = assail(model, make(attack), x, y, threat, criterion=CRITERION)
            worst = worsen_scores(model, make(attack), x, y, threat, criterion=CRITERION)
            assert torch.equal(found.adversarial, share < SHARE), attack
            torch.testing.assert_close(worst.score, share, atol=1e-6, rtol=0)
            assert not find_bound(attack, threat)


PRODUCTS = [
    (attack, norm)
    for norm, attacks in (("linf", ("apgd", "bim", "fgsm", "mifgsm", "pgd")), ("l2", ("apgd", "pgd")))
    for attack in attacks
]


@pytest.mark.parametrize(("attack", "norm"), PRODUCTS)
def test_beside_a_second_input_it_is_exact_too(attack, norm):
    """A depth for each pixel moves its answer by as much wherever it is; the image has to do the rest."""
    model, x, y, costs, *_ = seen = problem(norm)
    inputs = {"depth": torch.full((30, 1, 4, 5), 0.5, dtype=torch.float64), "image": x}
    steep = torch.linalg.vector_norm(model.weight.data[1, :, 0, 0] - model.weight.data[0, :, 0, 0], DUAL[norm])
    threat = Product.parse(f"depth=linf:0.02;image={norm}:{0.7 * seen.eps:.4f}", inputs)
    eps, left = float(threat.balls["image"].eps), (costs - 2 * 0.02 / steep).clamp_min(0)
    spent = left if norm == "linf" else left.square().cumsum(1).sqrt()
    share = (spent > eps).double().mean(1)
    made = make(f"{attack}:{read_claim(ATTACKS.get(attack), threat)}".rstrip(":"))

    def answer(depth, image):
        return model(image) + (depth - 0.5) * torch.tensor([-1.0, 1.0], dtype=torch.float64).view(1, 2, 1, 1)

    found = assail(answer, made, inputs, y, threat, criterion=CRITERION)
    worst = worsen_scores(answer, made, inputs, y, threat, criterion=CRITERION)

    assert 3 < found.adversarial.sum() < 27
    assert torch.equal(found.adversarial, share < SHARE)
    torch.testing.assert_close(worst.score, share, atol=1e-6, rtol=0)


def test_of_products_that_pixels_share_the_rest_is_a_bound():
    inputs = {"depth": torch.full((30, 1, 4, 5), 0.5, dtype=torch.float64), "image": problem("l2").x}
    claims = {
        ball: {
            name
            for name in NAMES
            if PRODUCT in getattr(ATTACKS.get(name), "families", ())
            and read_claim(ATTACKS.get(name), Product.parse(f"depth=linf:0.02;image={ball}:0.1", inputs)) != BOUND
        }
        for ball in NORMS
    }

    assert {(name, ball) for ball, names in claims.items() for name in names} == {*PRODUCTS}


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
