"""Several floors, each for a part of what is measured, and what a floor inside the interval means.

The model of these tests keeps 83 % clean, 43 % under fgsm, 45 % under pgd:steps=5, and 42 % under both.
"""

import pytest

MODEL = "--robust-model=net.py:make"


def floors(*words):
    return [f"--robust-fail-under={word}" for word in words]


@pytest.mark.parametrize(
    ("floor", "holds", "fails"),
    [
        ("clean", 80, 86),
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
    clean, pgd = "test_clean", "test_attack[pgd-steps5-linf-0.15]"
    assert told == ([clean] if floor == "clean" else [pgd])


def test_of_several_floors_each_test_keeps_its_narrowest(run):
    """The choice of a floor, and whether it holds, are in tests/test_gates.py and tests/session/test_gate_checks.py."""
    run(MODEL, *floors("20,90,clean:99", "fgsm:20")).assert_outcomes(passed=1, failed=2)


SKIP = """
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        if "{part}" in item.nodeid:
            item.add_marker(pytest.mark.skip(reason="slow"))
"""


@pytest.mark.parametrize(
    ("part", "floor", "skipped", "workers"),
    [
        ("pgd", "linf-0.15:20", "test_attack[[]pgd-steps5-linf-0.15]", []),
        ("test_trust", "20", "test_trust[[]linf-0.15]", ["-n2"]),
    ],
)
def test_a_floor_for_which_a_test_was_skipped_fails(run, pytester, part, floor, skipped, workers):
    pytester.makeconftest(SKIP.format(part=part))
    result = run(MODEL, *floors(floor), *workers, checked=True)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    told = f"net.py::{skipped} was skipped, so nothing shows that it holds"
    result.stdout.fnmatch_lines([f"FAILED --robust-fail-under={floor}: {told}"])


def test_a_test_that_no_floor_is_for_may_be_skipped(run, pytester):
    pytester.makeconftest(SKIP.format(part="pgd"))

    assert run(MODEL, *floors("fgsm:20")).ret == pytest.ExitCode.OK


def test_what_is_deselected_is_of_no_row(run):
    assert run(MODEL, *floors("20"), "-k", "fgsm").ret == pytest.ExitCode.OK


def test_collecting_is_not_measuring_and_does_not_fail(run):
    assert run(MODEL, *floors("90", "clean:90"), "--collect-only").ret == pytest.ExitCode.OK


def test_a_scope_may_be_written_as_the_attack_or_threat_was(run):
    """The same words that the other options take, in any of their spellings."""
    args = ("--robust-threat=linf:3/20", "--robust-attack=pgd:steps=3:start=0.5")

    run(MODEL, *args, *floors("linf:3/20:10", "pgd:steps=3:start=0.5:10"), fast=False).assert_outcomes(passed=2)


def test_a_floor_inside_the_interval_is_told_as_inconclusive(run):
    result = run(MODEL, *floors("42"))

    told = "the floor of 42 % is inside the interval; use more samples"
    result.stdout.fnmatch_lines(
        [
            f"WARNING net (as-is): inconclusive: robust accuracy * for fgsm under linf:0.15: {told}",
            f"WARNING net (as-is): inconclusive: robust accuracy * for pgd:steps=5 under linf:0.15: {told}",
        ]
    )


def test_a_floor_that_the_interval_contains_fails_where_that_is_asked_for(run):
    result = run(MODEL, "--robust-fail-on=ci", *floors("40", "clean:60"))

    result.assert_outcomes(passed=1, failed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    told = "is not surely above the required 40 %: its interval reaches below (--robust-fail-on=ci)"
    result.stdout.fnmatch_lines([f"robust accuracy * (95 % interval * to *, */60) for fgsm*{told}"])
    run(MODEL, "--robust-fail-on=ci", *floors("10")).assert_outcomes(passed=3)


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
