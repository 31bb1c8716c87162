"""Attacks on models of few classes."""

import pytest

from robust.attacks.few_classes import describe_fit, fit_classes


@pytest.mark.parametrize(
    ("attack", "classes", "fitted"),
    [
        ("pgd:steps=3", 2, "pgd:steps=3"),
        ("pgd:targets=9", 10, "pgd:targets=9"),
        ("pgd:targets=9", 9, "pgd:targets=8"),
        ("pgd:targets=9:steps=3", 3, "pgd:steps=3:targets=2"),
        ("fab:targets=1", 2, "fab:targets=1"),
        ("apgd:loss=dlr", 3, "apgd:loss=dlr"),
        ("apgd:loss=dlr", 2, "apgd:loss=margin"),
        ("apgd:loss=dlr:targets=9", 4, "apgd:loss=dlr:targets=3"),
        ("apgd:loss=dlr:targets=9", 3, "apgd:loss=margin:targets=2"),
        ("pgd:loss=ce:restarts=3", 2, "pgd:loss=ce:restarts=3"),
        ("torchattacks:PGD:steps=4", 2, "torchattacks:PGD:steps=4"),
    ],
)
def test_an_attack_becomes_what_the_classes_allow(attack, classes, fitted):
    assert fit_classes(attack, classes) == fitted
    assert bool(describe_fit([attack], classes)) == (fitted != attack)


def test_the_note_says_each_change_once():
    attacks = ["apgd:loss=dlr:targets=9", "fab:targets=9", "pgd", "fab:targets=4"]

    assert describe_fit(attacks, 3) == (
        "for 3 classes: targets=2 in place of 9, loss=margin in place of dlr, targets=2 in place of 4"
    )
