"""The figures of a row that are decided beside its tests, their floors, and floors that nothing was measured for.

Of 8 samples 6 are answered right; fgsm breaks 1 and pgd 2 of them: 62.5 and 50 % are left, and 37.5 % by both.
"""

import pytest

from robust.gates import Gates
from robust.session.gate_checks import GateChecks
from robust.settings.floors import read_floor
from tests.session.making import attack, certified, clean, results, trust

NAMES, THREATS = ("fgsm", "pgd:steps=5", "quick-1"), ("linf:0.15", "l2:0.5")
BOTH = {"fgsm": "10000000", "pgd:steps=5": "01100000"}


def gates(*words, fail_on="figure"):
    return Gates(tuple(read_floor(word, NAMES, THREATS) for word in words), fail_on)


def row(broken=BOTH, **part):
    return [attack(name, which, attacks=len(broken), **part) for name, which in broken.items()]


def check(payloads, *words, fail_on="figure"):
    """Return (the lines that fail, the warnings)."""
    found = results(*payloads)
    lines = GateChecks(found, gates(*words, fail_on=fail_on)).check_rows()
    return lines, [*found.warnings]


@pytest.mark.parametrize(
    ("words", "failing"),
    [
        ([], None),
        (["37.5"], None),
        (["38"], "fgsm+pgd-steps5"),
        (["50"], "fgsm+pgd-steps5"),
        (["51"], None),  # the test of pgd fails, and settles it
        (["38", "linf-0.15:20"], None),
        (["20", "linf-0.15:38"], "fgsm+pgd-steps5"),
        (["20", "l2-0.5:99"], None),
        (["60", "fgsm:20", "pgd:20"], "fgsm+pgd-steps5"),  # none of them is held to it alone
        (["clean:99"], None),
    ],
)
def test_all_attacks_together_are_decided_unless_one_settles_it(words, failing):
    lines, _ = check(row(), *words)

    assert [line.split(" over ")[1].split(" is ")[0] for line in lines] == ([failing] if failing else [])
    assert all(line.startswith("net (as-is), linf:0.15: robust accuracy 37.5 % (") for line in lines)


def test_an_attack_that_breaks_all_that_the_others_break_is_decided_by_its_own_test_alone():
    lines, warnings = check(row({"fgsm": "10000000", "pgd:steps=5": "11000000"}), "45")

    assert (lines, warnings) == ([], [])


def test_a_row_of_one_attack_is_decided_by_its_own_test():
    assert check(row({"fgsm": "10000000"}), "99") == ([], [])


def test_the_interval_makes_a_row_inconclusive_or_fails_it():
    """The 95 % Wilson interval of 3 of 8 is 13.7 to 69.4."""
    lines, warnings = check(row(), "30", "fgsm:10", "pgd:10")
    assert lines == []
    (warning,) = warnings
    assert warning.startswith(
        "net (as-is), linf:0.15: inconclusive: robust accuracy 37.5 % (95 % interval 13.7 to 69.4"
    )
    assert warning.endswith("over fgsm+pgd-steps5: the floor of 30 % is inside the interval; use more samples")

    lines, warnings = check(row(), "30", "fgsm:10", "pgd:10", fail_on="ci")
    assert "is not surely above the required 30 %" in lines[0]
    assert check(row(), "13", fail_on="ci") == ([], [])


ORIGIN = "test_own.py::test_own"


@pytest.mark.parametrize(
    ("words", "floor", "failing"),
    [
        (["20"], None, []),
        (["40"], None, ["fgsm+pgd-steps5"]),
        (["fgsm:70"], None, ["fgsm"]),
        (["pgd:51", "20"], None, ["pgd:steps=5"]),
        (["fgsm:70", "pgd:51", "40"], None, ["fgsm", "pgd:steps=5", "fgsm+pgd-steps5"]),
        (["fgsm:70", "40"], 20.0, []),  # the test's own floor is narrower than those of the run
        (["20"], 40.0, ["fgsm+pgd-steps5"]),
    ],
)
def test_what_a_users_test_reports_is_decided_attack_by_attack(words, floor, failing):
    lines, _ = check(row(origin=ORIGIN, floor=floor), *words)

    assert [line.split(" over ")[1].split(" is ")[0] for line in lines] == failing


def test_the_decision_on_a_row_is_there_for_whoever_reports_it():
    found = results(*row())
    (key,) = found.list_keys()
    rulings = {percent: GateChecks(found, gates(str(percent))).decide(key).ruling for percent in (5, 30, 37.5, 38, 90)}

    assert rulings == {5: "holds", 30: "inconclusive", 37.5: "inconclusive", 38: "fails", 90: "fails"}
    assert GateChecks(found, gates()).decide(key) is None
    assert GateChecks(found, gates("fgsm:90")).decide(key) is None


def test_a_row_that_was_stopped_is_a_bound():
    found = results(attack("quick-1", "10000000", suite="quick-1", partial="time"))
    (key,) = found.list_keys()

    assert GateChecks(found, gates("5")).decide(key).message.endswith("holds so far; give it more time")
    assert GateChecks(found, gates("90")).decide(key).ruling == "fails"


@pytest.mark.parametrize(
    ("word", "payloads", "line"),
    [
        ("40", [clean()], "40: no attack was run"),
        ("40", [trust()], "40: no attack was run"),
        ("40", row(), None),
        ("40", row(floor=20.0, origin=ORIGIN), "40: no attack was run"),
        ("clean:10", row(), "clean:10: the clean accuracy was not measured"),
        ("clean:10", [clean()], None),
        ("fgsm:10", row({"pgd:steps=5": "10000000"}), "fgsm:10: no attack was run for fgsm"),
        ("pgd:10", row({"pgd:steps=5": "10000000"}), None),
        ("l2:0.5:10", row(), "l2-0.5:10: no attack was run for l2-0.5"),
        ("linf:0.15:10", row(), None),
        ("fgsm-l2-0.5:10", row(), "fgsm-l2-0.5:10: no attack was run for fgsm-l2-0.5"),
    ],
)
def test_a_floor_that_nothing_was_measured_for_is_a_line(word, payloads, line):
    lines = GateChecks(results(*payloads), gates(word)).check_measured()

    expected = f"--robust-fail-under={line}, so nothing shows that it holds"
    assert lines == ([expected] if line else [])


@pytest.mark.parametrize("excused", [False, True])
def test_a_row_that_was_not_made_fails_unless_a_test_failed_or_was_skipped(excused):
    found = results(attack(judged=True))
    lines = GateChecks(found, gates()).check_rows(excused=excused)

    assert lines == ([] if excused else found.describe_unfinished())
    assert GateChecks(results(attack()), gates()).check_rows() == []


def test_a_floor_of_what_is_certified_needs_a_certificate_of_that_threat_model():
    proved = results(certified())
    checks = [GateChecks(proved, gates(word)).check_measured() for word in ("certified:60", "certified@l2:0.5:60")]

    assert checks[0] == []
    assert checks[1][0].endswith("certified-l2-0.5:60: nothing was certified, so nothing shows that it holds")
    assert len(GateChecks(results(attack()), gates("certified:60")).check_measured()) == 1
    assert len(GateChecks(proved, gates("clean:60")).check_measured()) == 1


def test_a_sample_that_is_certified_and_broken_fails_and_is_named_by_its_number_in_the_split():
    found = results(attack(certified=True, adversarial="01100000"), certified("11010000"))

    assert GateChecks(found, gates()).check_contradictions() == [
        "net (as-is), linf:0.15: sample 3 of the split: certified by crown, and answered wrong for a verified input; "
        "one of the two is at fault, and no figure of the row can be believed; the row holds both, so report it with "
        "the row"
    ]
    many = results(attack(certified=True, adversarial="11111100"), certified("11111110"))
    (line,) = GateChecks(many, gates()).check_contradictions()
    assert "samples 0, 3, 6, 9, 12 and 2 more of the split" in line
    assert GateChecks(results(attack(adversarial="00100000"), certified()), gates()).check_contradictions() == []
