"""The floors of the weakest class and group: which count, and what is decided of all of them together."""

import pytest

from robust.gates import Floor, Gates, Measured
from robust.records.groups import Group
from robust.session.gate_checks import GateChecks
from robust.session.group_gates import decide_groups, describe_left_out, foresee_groups
from robust.settings.floors import read_floor
from tests.session.making import attack, results

FLOOR = Floor(40, "worst-class")


def group(name, robust, n):
    return Group(name, n, n, robust)


@pytest.mark.parametrize(
    ("counts", "fail_on", "ruling", "named"),
    [
        ([(39, 100), (90, 100)], "figure", "fails", "class 0, 39.0 % ("),
        ([(41, 100), (90, 100)], "figure", "inconclusive", "class 0, 41.0 % ("),
        ([(41, 100), (90, 100)], "ci", "fails", "class 0, 41.0 % ("),
        ([(80, 100), (90, 100)], "ci", "holds", "class 0, 80.0 % ("),
        ([(0, 9), (90, 100)], "ci", "holds", "class 1, 90.0 % ("),  # a handful of samples is no reason
        ([(0, 10), (90, 100)], "figure", "fails", "class 0, 0.0 % ("),
        ([(52, 100)], "figure", "holds", "class 0, 52.0 % ("),
        ([(52, 100)] * 10, "figure", "inconclusive", "class 0, 52.0 % ("),  # ten intervals together are wider than one
    ],
)
def test_the_worst_decision_stands_for_all_that_count(counts, fail_on, ruling, named):
    decided = decide_groups([group(str(k), *pair) for k, pair in enumerate(counts)], FLOOR, fail_on)

    assert decided.decision.ruling == ruling
    assert named in decided.figure


def test_the_line_names_the_weakest_with_an_interval_for_all_and_the_others_that_fail():
    decided = decide_groups([group("a", 30, 100), group("b", 20, 100), group("c", 1, 9)], FLOOR, "figure")
    low, high = (100 * end for end in (Measured.of(20, 100, 0.975).low, Measured.of(20, 100, 0.975).high))

    assert str(decided) == (
        f"robust accuracy of class b, 20.0 % (95 % interval for all 2 classes together {low:.1f} to {high:.1f}, "
        "20/100), is below the required 40 %; so is that of a"
    )
    assert decide_groups([group("a", 9, 9)], FLOOR, "figure") is None


def test_those_that_are_left_out_are_named_with_their_sizes():
    told = describe_left_out([group(str(n), 0, n) for n in range(1, 12)], FLOOR)

    assert told == (
        "--robust-fail-under=worst-class:40 leaves out classes of fewer than 10 samples: "
        "1 (1), 2 (2), 3 (3), 4 (4), 5 (5) and 4 more"
    )
    assert describe_left_out([group("a", 0, 10)], FLOOR) == ""


def test_what_the_smallest_class_cannot_settle_is_foreseen():
    forecast = foresee_groups([group("a", 0, 12), group("b", 0, 99), group("c", 0, 3)], FLOOR, "figure")

    assert forecast.message.startswith(
        "--robust-fail-under=worst-class:40: with 12 samples of class a, the fewest that count, a figure from 40 to "
    )
    assert foresee_groups([group("a", 0, 9)], FLOOR, "figure").hopeless


@pytest.mark.parametrize(
    ("text", "scope", "measure"),
    [
        ("worst-class:40", "worst-class", "worst-class"),
        ("worst-class@linf:0.15:40", "worst-class-linf-0.15", "worst-class"),
        ("group:40%", "group", "group"),
        ("group@l2:1/2:40", "group-l2-0.5", "group"),
        ("mean@l2:0.5:40", "mean-l2-0.5", "mean"),
        ("linf-0.15:40", "linf-0.15", ""),
    ],
)
def test_a_floor_of_the_weakest_is_written_as_others_are(text, scope, measure):
    floor = read_floor(text, ("pgd",), ("linf:0.15", "l2:0.5"))

    assert (floor.scope, floor.percent, floor.measure) == (scope, 40, measure)


N, CORRECT = 40, "1" * 40  # of two classes in turn
HALF = "10" * 20  # all of class 0


def check(payloads, *words, fail_on="figure"):
    found = results(*payloads)
    floors = tuple(read_floor(word, ("fgsm", "pgd"), ("linf:0.15", "l2:0.5")) for word in words)
    checks = GateChecks(found, Gates(floors, fail_on))
    return checks.check_rows(), checks.check_measured(), [*found.warnings]


def row(*adversarial, **part):
    names = ("fgsm", "pgd")[: len(adversarial)]
    pairs = zip(names, adversarial, strict=True)
    return [attack(name, which, correct=CORRECT, attacks=len(names), **part) for name, which in pairs]


def test_a_row_of_several_attacks_is_decided_for_all_of_them_together():
    lines, _, _ = check(row("0" * N, HALF), "worst-class:40")

    assert lines == [
        "net (as-is), linf:0.15: robust accuracy of class 0, 0.0 % (95 % interval for all 2 classes together 0.0 to "
        "20.1, 0/20), over fgsm+pgd is below the required 40 %"
    ]
    assert check(row("0" * N, HALF), "worst-class@l2:0.5:40")[0] == []
    assert check(row("0" * N, HALF), "worst-class@linf:0.15:0")[0] == []


def test_a_row_of_one_attack_is_decided_by_its_test_and_that_of_a_users_test_is_not():
    assert check(row(HALF), "worst-class:40")[0] == []
    assert len(check(row(HALF, origin="test_own.py::test_own"), "worst-class:40")[0]) == 1


def test_classes_of_few_samples_are_a_warning_and_none_that_counts_is_a_failure():
    few = [attack("pgd", "10101010", correct="1" * 8)]
    _, missing, warnings = check(few, "worst-class:40")

    assert missing == [
        "--robust-fail-under=worst-class:40: no class has 10 samples that were attacked, so nothing shows that it "
        "holds; use more samples"
    ]
    assert warnings == ["--robust-fail-under=worst-class:40 leaves out classes of fewer than 10 samples: 0 (4), 1 (4)"]
    assert check(row(HALF), "worst-class:40")[1] == []
    assert "no group has 10 samples" in check(row(HALF), "group:40")[1][0]
