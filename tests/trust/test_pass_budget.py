"""The passes of all checks are a share of those of the row's attacks: each check looks at as many samples as fit."""

import math

import pytest
import torch

from robust.trust.pass_budget import PassBudget
from robust.trust.pass_share import CHECKS, LEAST, LEAST_OF_FEW, count_affordable, share_of

QUICK = ("pgd:loss=margin:steps=10", "pgd:loss=sice:steps=15", "pgd:odi=3:steps=15:targets=3")


@pytest.mark.parametrize(
    ("attacks", "share"),
    [
        (("fgsm",), 1.0),
        (("pgd:steps=40", "fgsm"), 1.0),
        (QUICK, 1.0),
        (("pgd:restarts=5:steps=40",), 400 / 600),
        (("square:steps=800",), 0.5),
        (("pgd:eot=10:steps=40",), 400 / 1200),
        (("pgd:steps=10", "square:restarts=8:steps=5000"), 0.25),
    ],
)
def test_the_more_the_attacks_take_the_smaller_is_the_share_of_the_checks(attacks, share):
    assert share_of(attacks) == pytest.approx(share)


@pytest.mark.parametrize(
    ("attacks", "taken", "expected"),
    [
        (QUICK, 9000, 9000),
        (QUICK, 900, 60 * LEAST),
        (("fgsm",), 180, 60 * LEAST_OF_FEW),
        (("square:restarts=8:steps=5000",), 80000, 20000),
    ],
)
def test_checks_get_their_share_and_not_too_little(attacks, taken, expected):
    assert count_affordable(attacks, taken, 60) == expected


def test_each_check_looks_at_its_share_of_the_samples_but_not_at_too_few():
    budget = PassBudget(1000, spent=50)
    budget.plan(2 * (CHECKS * 1000 - 50))

    assert budget.scale == 0.5
    assert (budget.few(24), budget.few(6), budget.few(6, 2), budget.few(3)) == (12, 4, 3, 3)
    assert budget.cut(120, 6, 2) == 120  # there are as few samples as there should be
    assert budget.cut(120, 6, 4) == 90
    assert budget.cut(120, 2, 4) == 60

    budget.plan(10)
    assert (budget.few(24), budget.cut(120, 6, 4)) == (24, 120)


def test_mitigations_get_what_is_left():
    budget = PassBudget(1000)
    budget.add(700)
    budget.plan(500)
    assert (budget.left, budget.scale) == (50, 0.1)

    budget.release()
    assert (budget.left, budget.scale) == (300, 1.0)


def test_without_a_bound_checks_look_at_all_their_samples():
    budget = PassBudget()
    budget.plan(1e9)

    assert (budget.left, budget.few(24)) == (math.inf, 24)


def test_passes_are_counted_with_and_without_a_gradient():
    budget = PassBudget()
    model = budget.counting(lambda x: 2 * x)
    x = torch.ones(5, 1, requires_grad=True)
    model(x)
    with torch.no_grad():
        model(x)
    model(x.detach())

    assert budget.spent == 5 * (3 + 1 + 1)
