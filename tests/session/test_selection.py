"""The tests that make one row, the floor that a test is for, and whether shipped tests are selected at all."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from robust.gates import Floor, Gates
from robust.session.model_file import RobustModelFile
from robust.session.selection import (
    SELECTED,
    Selection,
    count_attacks,
    find_floor,
    group_rows,
    is_judged,
    is_to_certify,
    node_id,
    part_of,
    preflight_of,
    weigh_parts,
)
from tests.session.making import settings


def item(name="test_attack", ours=True, **params):
    """Return what stands for a test: shipped ones are in a RobustModelFile."""
    found = Mock(spec=pytest.Function, nodeid=f"net.py::{name}", path="test_own.py")
    found.name = name
    found.getparent.side_effect = lambda kind: Mock(model="net.py") if ours and kind is RobustModelFile else None
    found.callspec = SimpleNamespace(params=params)
    found.marks = []
    found.add_marker.side_effect = found.marks.append
    found.get_closest_marker.side_effect = lambda name: next((m.mark for m in found.marks if m.name == name), None)
    return found


def session(*items):
    for each in items:
        each.session = SimpleNamespace(items=[*items], stash=pytest.Stash())
    return items


ATTACK = {"attack": "fgsm", "threat": "linf:0.15"}
SUITE = {"suite": "quick-1", "threat": "linf:0.15"}


def test_the_tests_of_a_row_are_counted_and_its_judge_is_found():
    fgsm, pgd, other, suite, own, judge = session(
        item(**ATTACK),
        item(**ATTACK | {"attack": "pgd"}),
        item(**ATTACK | {"threat": "l2:0.5"}),
        item("test_suite", **SUITE),
        item("test_own", ours=False, **ATTACK),
        item("test_trust", row="", threat="linf:0.15"),
    )

    assert [count_attacks(each) for each in (fgsm, pgd, other, suite, judge)] == [2, 2, 1, 1, 2]
    assert [is_judged(each) for each in (fgsm, pgd, other, suite, own)] == [True, True, False, False, False]


def test_a_row_shares_its_time_between_its_attacks_and_its_checks():
    items = session(
        item("test_clean"),
        item(**ATTACK),
        item(**ATTACK | {"attack": "pgd"}),
        item("test_suite", **SUITE),
        item("test_suite", **SUITE | {"threat": "l2:0.5"}),
        item("test_own", ours=False, **ATTACK),
        item("test_trust", row="", threat="linf:0.15"),
        item("test_trust", row="quick-1", threat="linf:0.15"),
        item("test_trust", row="pgd", threat="l1:2"),
    )
    weights = weigh_parts([*items], preflight=False)
    any_test = items[0]

    assert {part[2:]: weight for part, weight in weights.items()} == {
        ("linf:0.15", "fgsm", False): 0.375,
        ("linf:0.15", "pgd", False): 0.375,
        ("linf:0.15", "", True): 0.25,
        ("linf:0.15", "quick-1", False): 0.75,
        ("linf:0.15", "quick-1", True): 0.25,
        ("l2:0.5", "quick-1", False): 1.0,
        ("l1:2", "pgd", True): 1.0,
    }
    assert part_of(any_test, "linf:0.15", "quick-1", checks=True) in weights


def test_a_certificate_belongs_to_all_rows_of_its_threat_model_and_weighs_as_much_as_one():
    proof, attack, suite, other, clean = session(
        item("test_certified", certified_threat="linf:0.15"),
        item(**ATTACK),
        item("test_suite", **SUITE),
        item(**ATTACK | {"threat": "l2:0.5"}),
        item("test_clean"),
    )

    assert [is_to_certify(each) for each in (attack, suite, other)] == [True, True, False]
    assert [count_attacks(each) for each in (attack, suite, other)] == [1, 1, 1]
    weights = weigh_parts([proof, attack, clean])
    assert weights[part_of(proof, "linf:0.15", "certified")] == weights[part_of(attack, "linf:0.15", "fgsm")] == 1
    assert len(weights) == 3


def test_preflight_of_all_models_gets_an_eighth_of_the_time():
    items = session(
        *(item(**ATTACK, _robust_variant=variant) for variant in "ab"),
        item("test_trust", row="", threat="linf:0.15", _robust_variant="a"),
        item("test_preflight", _robust_variant="a"),
        item(ours=False),
    )
    weights = weigh_parts([*items])

    shares = [weights[preflight_of(items[k])] / sum(weights.values()) for k in (0, 1)]
    assert shares == pytest.approx([1 / 16, 1 / 16])
    assert preflight_of(items[3]) == preflight_of(items[0])
    assert len(weights) == 5


def test_xdist_gets_a_group_for_each_row_and_ids_are_told_without_it():
    fgsm, pgd, suite, clean = session(
        item(**ATTACK), item(**ATTACK | {"attack": "pgd"}), item("test_suite", **SUITE), item("test_clean")
    )
    group_rows([fgsm, pgd, suite, clean])
    assert [[mark.args for mark in each.marks] for each in (fgsm, pgd, suite, clean)] == [
        [("row-1",)],
        [("row-1",)],
        [("row-2",)],
        [],
    ]
    fgsm.nodeid += "@row-1"
    assert node_id(fgsm) == "net.py::test_attack"
    assert node_id(clean) == "net.py::test_clean"


@pytest.mark.parametrize(
    ("test", "floors", "expected"),
    [
        (item(**ATTACK), [Floor(20)], 20),
        (item(**ATTACK), [Floor(20), Floor(30, "linf-0.15")], 30),
        (item(**ATTACK), [Floor(30, "pgd")], None),
        (item("test_suite", **SUITE), [Floor(30, "quick-1")], 30),
        (item("test_certified", certified_threat="linf:0.15"), [Floor(20), Floor(60, "certified")], 60),
        (item("test_certified", certified_threat="linf:0.15"), [Floor(20), Floor(80, "clean")], None),
        (item("test_clean"), [Floor(20)], None),
        (item("test_clean"), [Floor(20), Floor(80, "clean")], 80),
        (item("test_trust", row="", threat="linf:0.15"), [Floor(20)], 20),
        (item("test_trust", row="quick-1", threat="linf:0.15"), [Floor(20)], None),
        (item("test_preflight"), [Floor(20)], None),
        (item("test_own", ours=False, **ATTACK), [Floor(20)], None),
        (item("test_clean_of_mine", ours=False), [Floor(80, "clean")], None),
    ],
)
def test_a_test_that_is_skipped_leaves_its_floor_open(test, floors, expected):
    floor = find_floor(test, settings(gates=Gates(tuple(floors))))

    assert (floor and floor.percent) == expected


def test_without_another_attack_test_trust_is_for_no_floor():
    test = item("test_trust", row="", threat="linf:0.15")

    assert find_floor(test, settings(attacks=("fgsm",), gates=Gates((Floor(20),)))) is None


def selection(only=False, **config):
    return Selection(SimpleNamespace(**config), settings(only=only))


@pytest.mark.parametrize(
    ("items", "only", "failed", "left_out"),
    [
        ([item("test_clean")], False, False, False),
        ([item("test_own", ours=False)], False, False, True),
        ([], False, False, True),
        ([], True, False, False),
        ([], False, True, False),
    ],
)
def test_shipped_tests_are_left_out_where_all_went_well_and_none_is_selected(items, only, failed, left_out):
    found = selection(only)
    assert not found.left_out  # nothing is collected yet
    found.pytest_collectreport(SimpleNamespace(failed=failed))
    found.pytest_collection_finish(SimpleNamespace(items=items))

    assert found.left_out == left_out


@pytest.mark.parametrize(
    ("outputs", "left_out"),
    [([{SELECTED: False}] * 2, True), ([{SELECTED: False}, {SELECTED: True}], False), ([{}], False)],
)
def test_a_worker_says_what_it_selected_and_one_that_crashed_may_have_had_some(outputs, left_out):
    controller = selection()
    for output in outputs:
        controller.pytest_testnodedown(SimpleNamespace(workeroutput=output))
    assert controller.left_out == left_out

    worker = selection(workeroutput=(output := {}))
    worker.pytest_collection_finish(SimpleNamespace(items=[item("test_clean")]))
    assert output == {SELECTED: True}
