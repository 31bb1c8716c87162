"""--robust-save, --robust-compare and --robust-compare-fail: test_regression, the lines at the end, and refusals."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from robust.records.record import Record
from tests.plugin.test_idle import REPORT

MODEL = "--robust-model=net.py:make"
LATEST, AUTO = "--robust-compare=latest", "--robust-compare=auto"
ALONE = ("--robust-only", "--robust-leaderboard=none", "--robust-threat=linf:0.05")
CHANGED = "    net[1].bias.data += {by} * torch.arange(10)\n    return net\n"
REGRESSION = "net.py::test_regression[linf-0.05]"


@pytest.fixture
def saved(run, folder, monkeypatch):
    """The user's folder with a baseline of the model as it is."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(folder.parent))
    result = run(MODEL, *ALONE, "--robust-save=main")
    result.stdout.fnmatch_lines(["baseline saved: .robust/baselines/0001_main"])
    return folder


@pytest.fixture
def change(folder):
    """A function that makes the model worse by so much."""

    def change(by):
        text = re.sub(r"    return net\n", CHANGED.format(by=by), (folder / "net.py").read_text(), count=1)
        (folder / "net.py").write_text(f"import torch\n{text}")

    return change


def records(folder):
    return [Record.from_json(path.read_text()) for path in sorted((folder / "results").rglob("*.json"))]


def test_a_model_that_did_not_change_passes(run, saved):
    result = run(MODEL, *ALONE, LATEST, "-v")

    result.assert_outcomes(passed=4)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        [
            f"{REGRESSION.replace('[', '[[]')} PASSED*",
            "compared with 0001_main: net (as-is), linf:0.05, all attacks: robust accuracy *0 lost, 0 won, p = 1",
        ]
    )


def test_a_model_that_got_worse_fails_with_what_it_lost(run, saved, change):
    change(1.0)
    result = run(MODEL, *ALONE, LATEST, "--robust-compare-fail=robust_acc:2pp,clean_acc:1pp", "--junitxml=out.xml")

    result.assert_outcomes(passed=3, failed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "clean accuracy * lost, * won, p = *: more than clean_acc:1pp allows against 0001_main",
            "lost: samples *, ... (* in all)",
            "repeat: pytest *--robust-compare=latest* 'net.py::test_regression[[]clean]'",
            "robust accuracy *: more than robust_acc:2pp allows against 0001_main",
            "repeat: pytest *'net.py::test_regression[[]linf-0.05]'",
        ]
    )
    cases = [case for case in ElementTree.parse(saved / "out.xml").iter("testcase") if "regression" in case.get("name")]
    for case in cases:
        assert "more than" in case.find("failure").get("message")
        figures = {each.get("name"): float(each.get("value")) for each in case.iter("property")}
        assert figures["robust.points"] < -2
        assert figures["robust.p"] < 0.05
        assert figures["robust.lost"] > 10
    assert len(cases) == 2


def test_the_lost_samples_are_those_that_stood_and_fall(run, saved, change, pytester):
    change(1.0)
    pytester.makeconftest("def pytest_robust_record(record): open('after.json', 'w').write(record.to_json())")
    result = run(MODEL, *ALONE, LATEST)
    (before,) = records(saved / ".robust" / "baselines" / "0001_main")
    after = Record.from_json((saved / "after.json").read_text())

    index = np.load(next((saved / ".robust").rglob("*-????????.npz")))["index"]
    lost = index[before.robust & ~after.robust]
    told = next(line for line in result.outlines if line.startswith("lost: samples"))
    named = [int(word) for word in re.findall(r"\d+", told.partition("... (")[0])]
    assert len(named) == 10
    assert {*named} <= {*lost.tolist()}


def test_too_little_to_tell_is_inconclusive_and_passes(run, saved, change):
    change(0.08)
    result = run(MODEL, *ALONE, LATEST)

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        [
            "WARNING net (as-is): inconclusive: robust accuracy, linf:0.05, all attacks: -* points are more than "
            "robust_acc:0pp allows, and may be chance (p = *); use more samples"
        ]
    )


def test_the_row_is_the_same_as_without_a_comparison(run, saved, change):
    change(0.08)
    given = (MODEL, "--robust-only", "--robust-threat=linf:0.05")
    run(*given, "--robust-leaderboard=plain")
    run(*given, "--robust-leaderboard=compared", LATEST)

    (plain,), (compared,) = records(saved / "plain"), records(saved / "compared")
    assert compared.same_outcomes(plain)
    assert compared.evidence == plain.evidence
    assert [each.forwards for each in compared.attacks] == [each.forwards for each in plain.attacks]


def test_a_great_loss_is_told_before_the_attacks(run, saved, change):
    change(3.0)
    result = run(MODEL, *ALONE, LATEST, "-x")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["robust accuracy *(so far: by the baseline's inputs alone, before any attack): more than *"]
    )


def test_one_loss_is_one_figure_wherever_it_is_told(run, saved, change):
    """Check it where the row is measured anyway: in the test, at its end, in JUnit's file, and beside the row."""
    change(3.0)
    result = run(MODEL, *ALONE, LATEST, "--junitxml=out.xml")

    result.assert_outcomes(passed=3, failed=1)
    told = [line for line in result.outlines if "robust accuracy" in line and " p = " in line]
    figures = {re.search(r"robust accuracy (.*?, p = \S+?)(?=[ :(]|$)", line)[1] for line in told}
    assert (len(told), len(figures)) == (2, 1)
    assert not any("so far" in line for line in told)
    points = re.search(r"([-+][\d.]+) points", told[0])[1]
    (value,) = re.findall(r'robust.points" value="(.*?)"', (saved / "out.xml").read_text())
    assert f"{float(value):+.1f}" == points
    robust = next(line for line in result.outlines if line.startswith("   1  net ")).split()
    after = re.search(r" to ([\d.]+) %", told[0])[1]
    assert robust[-4] == after or f"the row with its {robust[-4]} %" in told[0]


def test_the_attacks_on_a_few_samples_come_before_those_on_all(run, saved, monkeypatch):
    """Here the baseline says that nothing broke the same model, and keeps no inputs."""
    (path,) = (saved / ".robust").rglob("*-????????.json")
    row, none = Record.from_json(path.read_text()), np.zeros(60, bool)
    attacks = tuple(replace(attack, adversarial=none, rounded=None) for attack in row.attacks)
    path.write_text(replace(row, attacks=attacks, levels=None).to_json())
    for file in path.parent.glob("*.npz"):
        file.unlink()
    monkeypatch.setattr("robust.baseline.replay.FIRST", 0.3)
    result = run(MODEL, *ALONE, LATEST, "-k", "regression")

    told = "(so far: by the baseline's inputs and the attacks on 15 samples, before all were attacked): more than *"
    result.stdout.fnmatch_lines([f"robust accuracy *{told}"])


def test_it_is_one_test_a_row_and_can_be_selected(run, node_ids, saved):
    suite = ("--robust-suite=quick-1", "--robust-attack=fgsm", "--robust-threat=linf:0.05,l2:0.2")
    ids = node_ids(MODEL, "--robust-only", *suite, AUTO, "--robust-compare-fail=robust_acc:1pp,clean_acc:1pp")

    assert [each.partition("::")[2] for each in ids if "regression" in each] == [
        "test_regression[clean]",
        "test_regression[linf-0.05]",
        "test_regression[quick-1-linf-0.05]",
        "test_regression[l2-0.2]",
        "test_regression[quick-1-l2-0.2]",
    ]
    run(MODEL, *ALONE, LATEST, "-k", "regression").assert_outcomes(passed=1, deselected=3)
    run(MODEL, *ALONE, LATEST, REGRESSION).assert_outcomes(passed=1)


def test_collecting_looks_for_no_baseline_and_imports_no_torch(pytester, folder):
    pytester.makeconftest(REPORT)
    result = pytester.runpytest_subprocess(MODEL, LATEST, "--collect-only", "--robust-save")

    assert result.ret == 0
    result.stdout.re_match_lines([r"imported:\s*$"])
    assert not (folder / ".robust").exists()


def test_a_suite_is_compared_and_its_rounds_are_run_once(run, folder):
    given = (MODEL, "--robust-only", "--robust-samples=60", "--robust-suite=quick-1")
    run(*given, "--robust-save=main", fast=False)
    result = run(*given, LATEST, fast=False)

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["compared with 0001_main: net (as-is), linf:0.15, quick-1: robust accuracy *p = 1"])
    assert not [*(folder / ".robust" / "suites").rglob("*.npz")]


def test_a_suite_with_a_search_is_compared_with_one_that_has_it_alone(run, folder):
    given = (MODEL, "--robust-only", "--robust-samples=60", "--robust-suite=quick-1", "--robust-leaderboard=none")
    search = "--robust-search=channels-last"
    run(*given, "--robust-save=plain", fast=False)
    refused = run(*given, LATEST, search, fast=False)
    refused.stderr.fnmatch_lines(["ERROR: *: its row of * is of another version of quick-1, or of other options"])

    run(*given, "--robust-save=search", search, fast=False)
    for compare in (LATEST, AUTO):
        result = run(*given, compare, search, fast=False)
        result.stdout.fnmatch_lines(["compared with 0002_search: *p = 1"])


def test_in_parallel_each_model_and_training_is_held_to_its_own_row(run, folder):
    given = (MODEL, "--robust-model=net.py:bare", "--robust-train=as-is,standard:epochs=1", "--robust-only")
    run(*given, "--robust-save", "--robust-leaderboard=plain")
    result = run(*given, LATEST, "--robust-leaderboard=parallel", "-n2")

    assert result.ret == pytest.ExitCode.OK
    told = [line for line in result.outlines if line.startswith("compared with 0001_")]
    assert len(told) == 4
    assert all("0 lost, 0 won" in line for line in told)
    pairs = zip(records(folder / "plain"), records(folder / "parallel"), strict=True)
    assert all(plain.same_outcomes(parallel) and plain.evidence == parallel.evidence for plain, parallel in pairs)


def test_a_row_of_the_users_own_test_is_compared_at_the_end(run, folder, pytester, change):
    pytester.makepyfile(
        test_own="""
        def test_own(robust_attack, robust_report):
            robust_report.add(robust_attack("pgd:steps=3", "linf:0.02"))
        """
    )
    given = (MODEL, "--robust-leaderboard=none", "--robust-threat=linf:0.05")
    run(*given, "--robust-save").assert_outcomes(passed=4)
    change(1.0)
    result = run(*given, LATEST)

    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(
        ["FAILED net (as-is), linf:0.02, pgd-steps3: robust accuracy * more than robust_acc:0pp *"]
    )


# Which baseline


def test_a_model_that_lost_certified_samples_fails(exporting, run, folder, change):
    options = (MODEL, *ALONE, "--robust-certify=ibp", "--robust-attack=fgsm")
    run(*options, "--robust-save=main").stdout.fnmatch_lines(["baseline saved: *"])
    change(1.0)
    result = run(*options, LATEST, "-k", "certified", "--junitxml=out.xml")

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            "certified accuracy * points *: more than certified_acc:0pp allows against 0001_main",
            "lost: samples *",
            "repeat: pytest * 'net.py::test_regression[[]certified-linf-0.05]'",
        ]
    )


def test_a_baseline_without_a_certificate_leaves_the_other_comparisons(exporting, run, saved):
    result = run(MODEL, *ALONE, LATEST, "--robust-certify=ibp", "-k", "regression", "-rs")

    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED *: 0001_main: the row of net *has no certificate; *--robust-certify*"])


def test_auto_without_a_baseline_passes_and_says_so(run, folder):
    result = run(MODEL, *ALONE, AUTO, "-rs")

    result.assert_outcomes(passed=3, skipped=1)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        ["WARNING no baseline was compared with: there is none in *; make one with --robust-save"]
    )


def test_a_leaderboard_is_a_baseline(run, folder):
    given = (MODEL, "--robust-only")
    run(*given)
    result = run(*given, "--robust-compare=leaderboard")

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["compared with leaderboard: *0 lost, 0 won, p = 1"])


# What fails, and what is refused


def test_a_gate_that_compared_nothing_fails(run, saved):
    result = run(MODEL, *ALONE, LATEST, "-k", "clean or attack")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    told = "nothing was compared, so nothing shows that it holds"
    result.stdout.fnmatch_lines([f"FAILED --robust-compare-fail=robust_acc:0pp: {told}"])


def test_samples_of_the_users_own_fail_the_gate(run, saved, pytester):
    """The samples are known to the test alone."""
    pytester.makeconftest(
        """
        import pytest
        import numpy as np

        @pytest.fixture(scope="session")
        def robust_data(robust_data):
            return robust_data.take(np.arange(50))
        """
    )
    result = run(MODEL, *ALONE, LATEST)

    result.stdout.fnmatch_lines(["0001_main cannot be compared with: its row of * has 60 samples, not 50: *"])


def test_damaged_inputs_fail_the_gate(run, saved):
    for path in (saved / ".robust" / "baselines").rglob("*.hardest.npz"):
        path.write_bytes(b"PK")

    run(MODEL, *ALONE, LATEST).stdout.fnmatch_lines(["0001_main cannot be compared with: *.npz is damaged: *"])


def test_a_suite_that_was_stopped_is_no_comparison(run, folder):
    given = (MODEL, "--robust-only", "--robust-samples=60", "--robust-suite=quick-1")
    run(*given, "--robust-save=main", fast=False)
    result = run(*given, LATEST, "--robust-time=0.0001s", fast=False)

    result.stdout.fnmatch_lines(["quick-1 was stopped by the time, so nothing shows that the model is still robust"])


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ([LATEST], "--robust-compare=latest: there is no baseline in *baselines; make one with --robust-save"),
        (["--robust-compare=nope"], "--robust-compare=nope: there is no such file or folder (looked for *nope); *"),
        (["--robust-compare=net.py"], "--robust-compare=net.py: *net.py: *"),
    ],
)
def test_a_mistake_is_one_line(run, folder, args, told):
    result = run(MODEL, *args)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {told}"])
    assert not (folder / ".robust" / "baselines").exists()


def test_a_margin_in_the_ini_file_waits_for_a_comparison(run, saved, pytester):
    pytester.makeini("[pytest]\nrobust_compare_fail = robust_acc:2pp")

    run(MODEL, *ALONE).assert_outcomes(passed=3)
    run(MODEL, *ALONE, LATEST).assert_outcomes(passed=4)


# What is saved


def test_a_run_that_failed_saves_nothing(run, folder):
    result = run(MODEL, *ALONE, "--robust-save", "--robust-fail-under=99")

    result.stdout.fnmatch_lines(["no baseline was saved: the run failed"])
    assert not (folder / ".robust" / "baselines").exists()


def test_a_run_without_a_row_fails_to_save(run, folder):
    result = run(MODEL, *ALONE, "--robust-save", "-k", "clean")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED --robust-save: no baseline was saved: no row was measured to its end"])


def test_git_is_asked_where_a_baseline_is_saved_and_only_there(run, folder, monkeypatch):
    asked = []
    monkeypatch.setattr("robust.baseline.git._git", lambda *words: asked.append(words))
    run(MODEL, *ALONE)
    assert not asked
    run(MODEL, *ALONE, "--robust-save")
    assert asked


def test_a_kept_row_is_as_in_the_leaderboard_and_of_few_inputs_where_that_is_asked(run, folder):
    run(MODEL, "--robust-only", "--robust-evidence=5", "--robust-save=main")
    baseline = folder / ".robust" / "baselines" / "0001_main"

    (kept,), (filed,) = records(baseline), records(folder / "leaderboard")
    assert kept.to_json() == filed.to_json()
    for path in baseline.rglob("*.npz"):
        assert len(np.load(path)["row"]) == 5
