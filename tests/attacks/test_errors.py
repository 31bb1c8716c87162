"""Errors of attacks and threat models are one line, with what to use instead."""

import re
from dataclasses import fields
from fractions import Fraction

import pytest

from robust.attacks import APGD, ATTACKS, FGSM, PGD, LpThreat, Restarts, assail, make
from tests.attacks.models import inputs, network


def run(word, classes=10):
    model, x = network(classes=classes), inputs(5)
    assail(model, make(word), x, model(x).argmax(1), LpThreat.parse("linf:0.05"))


LOSSES = "ce, dlr, js, margin, mask-ce, mask-ce-bal, mask-sph, segpgd, sice"
WRONG = [
    (lambda: LpThreat("linf", Fraction(-1, 10)), "'linf:-1/10': eps must be above 0, got -1/10"),
    (lambda: PGD(stride=0), "stride, a share of eps, must be above 0, got 0"),
    (lambda: PGD(start=1.5), "start, a share of the ball, must be from 0 to 1, got 1.5"),
    (lambda: PGD(loss="cee"), f"unknown loss 'cee', did you mean 'ce'? Known: {LOSSES}"),
    (
        lambda: FGSM(loss="x"),
        f"unknown loss 'x'. Known: {LOSSES}",
    ),
    (lambda: APGD(rho=1), "rho must be between 0 and 1, got 1"),
    (lambda: Restarts(PGD(), 0), "restarts must be at least 1, got 0"),
    (lambda: make("pgd:restarts=0"), "pgd:restarts=0: restarts must be at least 1, got 0"),
    (lambda: make("pgd:restarts=x"), "pgd:restarts=x: restarts must be of type int, got 'x'"),
    (lambda: make("pgd:targets=0"), "pgd:targets=0: targets must be at least 1, got 0"),
    (lambda: make("pgd:eot=0"), "pgd:eot=0: eot, the number of draws, must be at least 1, got 0"),
    (lambda: make("pgd:odi=0"), "pgd:odi=0: odi, the number of diversifying steps, must be at least 1, got 0"),
    (
        lambda: make("fgsm:eps=1"),
        "fgsm:eps=1: fgsm has no option 'eps'; write the threat model: --robust-threat=linf:8/255",
    ),
    (lambda: run("pgd:targets=10"), "the model has 10 classes, so at most targets=9"),
    (lambda: run("pgd:targets=2", classes=2), "the model has 2 classes, so at most targets=1"),
    (lambda: run("apgd:loss=dlr", classes=2), "dlr needs 3 classes or more, the model has 2; use the loss margin"),
    (
        lambda: run("apgd:loss=dlr:targets=2", classes=3),
        "the targeted dlr needs 4 classes or more, the model has 3; use the loss margin",
    ),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_is_wrong_is_reported(wrong, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        wrong()


@pytest.mark.parametrize("name", [n for n in ATTACKS.names() if "steps" in {f.name for f in fields(ATTACKS.get(n))}])
def test_no_steps_are_refused(name):
    with pytest.raises(ValueError, match=f"^{name}:steps=0: steps must be at least 1, got 0$"):
        make(f"{name}:steps=0")
