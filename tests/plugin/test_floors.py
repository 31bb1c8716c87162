"""Several floors, each for a part of what is measured, and what a floor inside the interval means.

The model of these tests keeps 83 % clean, 43 % under fgsm, 45 % under pgd:steps=5, and 42 % under both.
"""

import pytest

from robust.gates import Floor, Gates, read_floor

MODEL = "--robust-model=net.py:make"


def floors(*words):
    return [f"--robust-fail-under={word}" for word in words]


@pytest.mark.parametrize(
    ("floor", "holds", "fails"),
    [
        ("clean", 80, 86),
        ("linf-0.15", 40, 90),
        ("linf:0.15", 40, 90),
        ("fgsm", 40, 90),
        ("pgd-steps5", 35, 90),
        ("pgd:steps=5", 35, 90),
        ("fgsm-linf-0.15", 20, 90),
        ("pgd-steps5-linf-0.15", 35, 90),
    ],
)
def test_a_floor_of_a_part_is_for_that_part(run, floor, holds, fails):
    held = run(MODEL, *floors(f"{floor}:{holds}"))
    held.assert_outcomes(passed=3)
    assert held.ret == pytest.ExitCode.OK

    failed = run(MODEL, *floors(f"{floor}:{fails}"), "-rf")
    assert failed.ret == pytest.ExitCode.TESTS_FAILED
    told = [line.split("::")[1].split(" ")[0] for line in failed.outlines if line.startswith("FAILED net.py")]
    clean, fgsm, pgd = "test_clean", "test_attack[fgsm-linf-0.15]", "test_attack[pgd-steps5-linf-0.15]"
    reached = {"clean": [clean], "linf": [fgsm, pgd], "fgsm": [fgsm], "pgd": [pgd]}
    assert told == next(tests for begin, tests in reached.items() if floor.startswith(begin))


@pytest.mark.parametrize(
    ("words", "failed"),
    [
        (["90", "linf-0.15:20"], 0),
        (["90", "fgsm:20", "pgd-steps5:20", "linf-0.15:20"], 0),
        (["20", "fgsm:90"], 1),
        (["linf-0.15:90", "fgsm-linf-0.15:20"], 1),
        (["linf-0.15:20", "fgsm:90"], 1),
        (["20", "90"], 2),
        (["20,90,clean:99"], 3),
    ],
)
def test_the_narrowest_floor_counts_and_of_two_alike_the_higher(run, words, failed):
    run(MODEL, *floors(*words)).assert_outcomes(passed=3 - failed, failed=failed)


def test_each_threat_model_has_its_own_floor(run):
    threats = "--robust-threat=linf:0.15,l2:0.01"

    result = run(MODEL, threats, *floors("70", "linf-0.15:20"))
    result.assert_outcomes(passed=5)
    assert result.ret == pytest.ExitCode.OK
    run(MODEL, threats, *floors("20", "l2-0.01:99")).assert_outcomes(passed=3, failed=2)


def test_the_worst_case_is_gated_by_the_floor_of_its_threat_model(run):
    """44 % is less than either attack alone leaves... and more than 41.7 %, which both together leave."""
    assert run(MODEL, *floors("43", "linf-0.15:20")).ret == pytest.ExitCode.OK

    result = run(MODEL, *floors("20", "linf-0.15:43"))
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["FAILED net (as-is), linf:0.15: robust accuracy * * is below*43 %*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_all_attacks_together_keep_the_floor_that_one_of_them_alone_need_not(run):
    """fgsm alone keeps 43 %, and is held to 20; pgd keeps 45 %, and both together 42 %."""
    result = run(MODEL, *floors("44", "fgsm:20"))

    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["FAILED net (as-is), linf:0.15: robust accuracy * over fgsm+pgd-steps5 is below*44 %*"]
    )


def test_the_only_attack_of_a_row_is_held_to_the_narrower_floor(run):
    args = ("--robust-attack=pgd:steps=5", "--robust-samples=60")

    assert run(MODEL, *args, *floors("90", "pgd-steps5:20"), fast=False).ret == pytest.ExitCode.OK


@pytest.mark.parametrize(
    ("floor", "selected", "told"),
    [
        ("clean:10", "attack", "--robust-fail-under=clean:10: the clean accuracy was not measured*"),
        ("fgsm:10", "pgd", "--robust-fail-under=fgsm:10: no attack was run for fgsm*"),
        ("linf:0.15:10", "clean", "--robust-fail-under=linf-0.15:10: no attack was run for linf-0.15*"),
        ("fgsm-linf-0.15:10", "pgd", "*no attack was run for fgsm-linf-0.15, so nothing shows that it holds"),
    ],
)
def test_a_floor_for_which_nothing_was_measured_fails(run, floor, selected, told):
    result = run(MODEL, *floors(floor), "-k", selected)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"FAILED {told}"])


SKIP = """
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        if "{part}" in item.nodeid:
            item.add_marker(pytest.mark.skip(reason="slow"))
"""


@pytest.mark.parametrize("workers", [[], ["-n2"]])
@pytest.mark.parametrize(
    ("part", "floor", "skipped"),
    [
        ("pgd", "20", "test_attack[[]pgd-steps5-linf-0.15]"),
        ("pgd", "linf-0.15:20", "test_attack[[]pgd-steps5-linf-0.15]"),
        ("test_clean", "clean:20", "test_clean"),
        ("test_trust", "20", "test_trust[[]linf-0.15]"),
    ],
)
def test_a_floor_for_which_a_test_was_skipped_fails(run, pytester, part, floor, skipped, workers):
    pytester.makeconftest(SKIP.format(part=part))
    result = run(MODEL, *floors(floor), *workers, checked=True)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    told = f"net.py::{skipped} was skipped, so nothing shows that it holds"
    result.stdout.fnmatch_lines([f"FAILED --robust-fail-under={floor}: {told}"])


@pytest.mark.parametrize(("part", "floor"), [("pgd", "fgsm:20"), ("pgd", "clean:20"), ("test_clean", "20")])
def test_a_test_that_no_floor_is_for_may_be_skipped(run, pytester, part, floor):
    pytester.makeconftest(SKIP.format(part=part))

    assert run(MODEL, *floors(floor)).ret == pytest.ExitCode.OK


def test_what_is_deselected_is_of_no_row(run):
    assert run(MODEL, *floors("20"), "-k", "fgsm").ret == pytest.ExitCode.OK


def test_collecting_is_not_measuring_and_does_not_fail(run):
    assert run(MODEL, *floors("90", "clean:90"), "--collect-only").ret == pytest.ExitCode.OK


@pytest.mark.parametrize(("word", "percent"), [("40", 40), ("40%", 40), ("40.5", 40.5), ("0", 0), ("100", 100)])
def test_a_percentage_is_read_as_people_write_it(word, percent):
    assert read_floor(word, (), ()) == Floor(percent)


def test_a_scope_may_be_written_as_the_attack_or_threat_was(run):
    """The same words that the other options take, in any of their spellings."""
    args = ("--robust-threat=linf:3/20", "--robust-attack=pgd:steps=3:start=0.5")

    run(MODEL, *args, *floors("linf:3/20:10", "pgd:steps=3:start=0.5:10"), fast=False).assert_outcomes(passed=2)


def test_a_scope_may_be_an_attack_without_its_options(run):
    """As -k pgd selects it."""
    run(MODEL, *floors("pgd:35")).assert_outcomes(passed=3)


def test_a_floor_inside_the_interval_is_told_as_inconclusive(run):
    result = run(MODEL, *floors("42"))

    told = "the floor of 42 % is inside the interval; use more samples"
    result.stdout.fnmatch_lines(
        [
            f"WARNING net (as-is): inconclusive: robust accuracy * for fgsm under linf:0.15: {told}",
            f"WARNING net (as-is): inconclusive: robust accuracy * for pgd:steps=5 under linf:0.15: {told}",
        ]
    )


def test_a_worst_case_near_its_floor_is_told_as_inconclusive_too(run):
    """41.7 % of 60 over both attacks keeps 41 %, and does not show it."""
    result = run(MODEL, *floors("41", "fgsm:10", "pgd-steps5:10"))

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["WARNING *inconclusive: robust accuracy * * over fgsm+pgd-steps5*"])


def test_a_floor_far_from_the_figure_is_not_told(run):
    run(MODEL, *floors("10")).stdout.no_fnmatch_line("*inconclusive*")


def test_a_floor_that_the_interval_contains_fails_where_that_is_asked_for(run):
    result = run(MODEL, "--robust-fail-on=ci", *floors("40", "clean:60"))

    result.assert_outcomes(passed=1, failed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    told = "is not surely above the required 40 %: its interval reaches below (--robust-fail-on=ci)"
    result.stdout.fnmatch_lines([f"robust accuracy * (95 % interval * to *, */60) for fgsm*{told}"])
    run(MODEL, "--robust-fail-on=ci", *floors("10")).assert_outcomes(passed=3)


def test_the_worst_case_can_fail_by_its_interval_alone(run):
    """31.6 % and 33.1 % are where the attacks' intervals begin, 30.1 % where that of both together does."""
    result = run(MODEL, "--robust-fail-on=ci", *floors("31"))

    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED net (as-is), linf:0.15: robust accuracy * * is not surely above*31 %*"])


def test_every_model_and_training_has_to_keep_the_floor(run):
    result = run(MODEL, "--robust-model=net.py:bare", "--robust-attack=fgsm", *floors("clean:50"), fast=False)

    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["clean accuracy * is below the required 50 %*"])


def test_a_floor_holds_for_what_the_users_tests_report(run, pytester):
    """A floor of the run is for every robust accuracy, and a row in the table is one."""
    pytester.makepyfile(
        test_own="def test_own(robust_attack, robust_report): robust_report.add(robust_attack('fgsm', 'linf:0.9'))"
    )
    result = run(MODEL, *floors("20"))

    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_floor_of_an_attack_holds_for_what_the_users_tests_report_too(run, pytester):
    pytester.makepyfile(
        test_own="""
        def test_one(robust_attack, robust_report):
            robust_report.add(robust_attack("pgd:steps=5", "linf:0.15"))

        def test_two(robust_attack, robust_report):
            robust_report.add(robust_attack("fgsm", "linf:0.15"))
            robust_report.add(robust_attack("pgd:steps=5", "linf:0.15"))
        """
    )
    for test, over in (("test_one", "pgd-steps5"), ("test_two", "pgd:steps=5")):
        result = run(MODEL, *floors("pgd:90"), "-k", test)

        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines([f"FAILED net (as-is), linf:0.15: robust accuracy * over {over} is below*90 %*"])
        assert run(MODEL, *floors("pgd:35"), "-k", test).ret == pytest.ExitCode.OK


def test_a_floor_of_the_run_is_not_measured_by_a_test_that_has_a_floor_of_its_own(run, pytester):
    pytester.makepyfile(
        test_own="""
        import pytest

        @pytest.mark.robust(threat="linf:0.15", fail_under=20)
        def test_own(robust_attack, robust_report):
            robust_report.add(robust_attack("pgd:steps=5"))
        """
    )
    result = run(MODEL, *floors("pgd:90"), "-k", "clean or own")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED --robust-fail-under=pgd:90: no attack was run for pgd, *"])


def test_a_mark_is_narrower_than_the_floor_of_the_run(run, pytester):
    pytester.makepyfile(
        test_own="""
        import pytest

        @pytest.mark.robust(threat="linf:0.15", fail_under=20)
        def test_own(robust_attack, robust_report):
            robust_report.add(robust_attack("fgsm"))
            robust_report.add(robust_attack("pgd:steps=5"))
        """
    )
    result = run(MODEL, "--robust-threat=linf:0.05", *floors("43"))

    result.assert_outcomes(passed=4)
    assert result.ret == pytest.ExitCode.OK


def test_the_narrowest_scope_in_figures():
    gates = Gates(tuple(Floor(k, scope) for k, scope in enumerate([None, "pgd", "l2-1", "pgd-l2-1", "clean"], 1)))

    assert [gates.attack(*pair).percent for pair in [("fgsm", "l1:1"), ("pgd", "l1:1"), ("pgd", "l2:1")]] == [1, 2, 4]
    assert gates.attack("fgsm", "l2:1").percent == gates.together("l2:1").percent == 3
    assert (gates.together("l1:1").percent, gates.clean().percent) == (1, 5)
    assert Gates((Floor(40),)).clean() is None
