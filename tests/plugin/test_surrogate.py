"""An attack on a model that the user names, tried on the one that is tested: "pgd:surrogate=other.py:make"."""

import pytest

from tests.plugin.conftest import UNCHECKED
from tests.plugin.test_main_job import MODEL, records

FRESH = "--robust-attack=pgd:steps=5:surrogate=net.py:bare"  # untrained: hardly anything transfers from it
SAME = "--robust-attack=pgd:steps=5:surrogate=net.py:make"


@pytest.mark.parametrize("extra", [(), ("-n2",)])
def test_the_row_and_the_test_name_the_surrogate(pytester, folder, extra):
    result = pytester.runpytest_inprocess(MODEL, UNCHECKED, "--robust-samples=60", SAME, "-v", *extra)

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*net.py::test_attack[[]pgd-steps5-surrogatenet.py_make-linf-0.15]*"])
    (record,) = records(folder / "leaderboard").values()
    assert record.suite == "pgd-steps5-surrogatenet.py_make"
    assert record.attacks[0].options["surrogate"].startswith("Sequential:")
    assert record.attacks[0].backwards > 0


def test_the_model_itself_is_the_best_surrogate(pytester, folder):
    pytester.runpytest_inprocess(MODEL, UNCHECKED, "--robust-samples=60", FRESH, "--robust-leaderboard=fresh")
    pytester.runpytest_inprocess(MODEL, UNCHECKED, "--robust-samples=60", SAME, "--robust-leaderboard=same")
    counts = [
        sum(int(a.adversarial.sum()) for r in records(folder / name).values() for a in r.attacks)
        for name in ("fresh", "same")
    ]

    assert counts[0] < counts[1]


def test_weights_serve_as_surrogate_with_the_architecture_of_the_run(run):
    run(MODEL, "--robust-attack=fgsm:surrogate=weights.pt", "--robust-arch=net.py:bare", fast=False).assert_outcomes(
        passed=2
    )


def test_the_path_in_an_ini_file_is_relative_to_it(pytester, fork_run, folder):
    pytester.makeini("[pytest]\nrobust_attack = fgsm:surrogate=net.py:make\nrobust_model = net.py:make")
    (folder / "below").mkdir()

    result = fork_run(UNCHECKED, "--rootdir=.", "-c", "tox.ini", "--robust-samples=60", "below")
    result.assert_outcomes(passed=2)


def test_a_users_test_names_a_surrogate_too(run, pytester):
    pytester.makepyfile(
        test_own="""
        def test_transfer(robust_attack):
            result = robust_attack("pgd:steps=5:surrogate=net.py:make")
            assert result.broken.any()
        """
    )

    run(MODEL, "-k", "test_transfer").assert_outcomes(passed=1, deselected=3)
