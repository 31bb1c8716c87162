"""Queries in place of attacks that follow a gradient, for quantised models that pass none."""

from pathlib import Path

import pytest

from robust.attacks.suite import Stage, Suite, read_suite
from robust.session.queries import leave_queries, replace_attack, replace_default, replace_stages
from robust.settings.parsing import OptionError
from robust.settings.queries import count_queries


@pytest.mark.parametrize(
    ("attacks", "run"),
    [
        (("fgsm", "pgd"), ["noise", "square"]),
        (("pgd:steps=5",), ["square"]),
        (("square:steps=100", "noise"), ["square:steps=100", "noise"]),
        (("pgd:surrogate=net.py:make", "fgsm"), ["pgd:surrogate=net.py:make", "square"]),
    ],
)
def test_square_stands_in_for_the_last_attack_that_needs_a_gradient_and_noise_for_the_others(attacks, run):
    assert [replace_attack(attack, attacks, "linf:0.1") for attack in attacks] == run


@pytest.mark.parametrize("queries", [11, 12, 57])
@pytest.mark.parametrize("parts", [1, 4, 5])
def test_decision_in_place_of_square_asks_no_more_than_was_given(parts, queries):
    threat = "+".join(f"linf:{k}/255" for k in range(1, parts + 1))
    steps = int(replace_default("square", threat, queries).partition("steps=")[2])

    assert queries - parts < count_queries([steps], threat) <= queries


def test_fewer_queries_than_a_union_takes_are_refused_and_not_exceeded():
    threat = "+".join(f"linf:{k}/255" for k in range(1, 6))

    with pytest.raises(OptionError, match="a threat model of 5 parts takes 11 or more"):
        replace_default("square", threat, 10)


def test_of_several_inputs_search_stands_in():
    attacks = ("fgsm", "pgd")
    assert [replace_attack(attack, attacks, "image=linf:0.1;meta=l2:1") for attack in attacks] == ["noise", "search"]


def test_of_pixels_sparse_rs_stands_in():
    assert [replace_attack(attack, ("fgsm", "pgd"), "l0:20") for attack in ("fgsm", "pgd")] == ["noise", "sparse-rs"]


def test_of_turned_images_a_grid_stands_in():
    attacks = ("fgsm", "pgd")
    own = Suite("own", (Stage("pgd", ("spatial",)),))

    assert [replace_attack(attack, attacks, "spatial:rotate=9") for attack in attacks] == ["noise", "grid"]
    assert [stage.attack for stage in replace_stages(own).stages if "spatial" in stage.threats] == ["grid"]
    assert "grid:steps=775" in [stage.attack for stage in leave_queries(read_suite("standard-1", Path())).stages]


def test_a_suite_keeps_its_name_and_the_stages_that_need_no_gradient():
    quick, full = (replace_stages(read_suite(name, Path())) for name in ("quick-1", "full-1"))

    assert quick.name == "quick-1"
    assert [stage.attack for stage in quick.stages] == [
        "square",
        "noise",
        "evolve:steps=200",
        "grid:steps=150",
        "patch-rs:steps=300",
        "sparse-rs:steps=200",
        "corruptions",
        "universal-patch:samples=200:steps=150",
        "search",
        "patch-rs",
        "sparse-rs",
    ]
    assert [stage.attack for stage in full.stages[:2]] == ["square", "noise"]
    assert "square:restarts=4:steps=5000" in [stage.attack for stage in full.stages]
