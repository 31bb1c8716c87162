"""A model and its gates in the ini file: who asks for tests of their own is left alone, and no gate passes unmeasured.

The model of these tests keeps 83 % clean and 45 % under pgd:steps=5.
"""

import pytest

from tests.plugin.conftest import UNCHECKED

MODEL = "--robust-model=net.py:make"
OURS = ["net.py::test_clean", "net.py::test_attack[pgd-steps5-linf-0.15]"]
MINE = ["test_mine.py::test_load", "test_mine.py::test_shape"]
GATE = """
[pytest]
robust_model = net.py:make
robust_attack = pgd:steps=5
robust_samples = 60
robust_verdict = none
robust_leaderboard = none
robust_fail_under =
    clean:75
    30
"""


@pytest.fixture
def project(pytester, folder):
    """The user's folder with a gate in its ini file, and tests of the user's."""
    pytester.makeini(GATE)
    pytester.makepyfile(test_mine="def test_load(): pass\n\ndef test_shape(): pass")
    return folder


def fails_by_its_gates(result):
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "FAILED --robust-fail-under=clean:75: the clean accuracy was not measured, so nothing shows that it holds",
            "FAILED --robust-fail-under=30: no attack was run, so nothing shows that it holds",
        ]
    )


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
@pytest.mark.parametrize(
    ("args", "passed"),
    [
        (["-m", "not robust"], 2),
        (["-k", "test_load"], 1),
        (["--deselect=net.py"], 2),
        (["test_mine.py::test_load"], 1),
    ],
)
def test_who_leaves_ours_out_is_not_held_to_the_gate(pytester, project, args, passed, workers):
    result = pytester.runpytest_inprocess(*args, *workers)

    assert result.parseoutcomes()["passed"] == passed
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line("*robust-fail-under*")


@pytest.mark.parametrize("args", [["-m", "not robust"], ["-k", "test_load"], ["test_mine.py"]])
def test_who_leaves_ours_out_needs_no_weights_no_baseline_and_no_torch(pytester, project, args):
    pytester.makeini(f"{GATE.replace('net.py:make', 'absent.safetensors')}robust_compare = latest\n")
    pytester.makeconftest(
        "import sys\ndef pytest_unconfigure():\n"
        "    print('imported:', *sorted({'torch', 'pandas'} & {*sys.modules}), 'nothing else')"
    )
    result = pytester.runpytest_subprocess(*args)

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["imported: nothing else"])


@pytest.mark.parametrize("args", [[], ["-n", "2"], ["-m", "robust"], ["--robust-only", "-k", "no_such_test"]])
def test_weights_that_are_not_there_are_told_once_where_they_are_tested(pytester, project, args):
    pytester.makeini(GATE.replace("net.py:make", "absent.safetensors"))
    result = pytester.runpytest_inprocess(*args)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --robust-model=absent.safetensors: no such file *"])
    assert "passed" not in result.stdout.str()


def test_last_failed_of_the_users_leaves_ours_out(pytester, project):
    (project / "test_mine.py").write_text("def test_load(): assert False\n\ndef test_shape(): pass")
    assert pytester.runpytest_inprocess().parseoutcomes() == {"failed": 1, "passed": 3}
    (project / "test_mine.py").write_text("def test_load(): pass\n\ndef test_shape(): pass")

    result = pytester.runpytest_inprocess("--lf")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK


def test_a_comparison_is_left_out_too(pytester, project):
    assert pytester.runpytest_inprocess("--robust-save=main").ret == pytest.ExitCode.OK
    (project / "tox.ini").write_text(f"{GATE}robust_compare = latest\n")

    assert pytester.runpytest_inprocess("-m", "not robust").ret == pytest.ExitCode.OK
    half = pytester.runpytest_inprocess("-k", "clean or attack")
    assert half.ret == pytest.ExitCode.TESTS_FAILED
    half.stdout.fnmatch_lines(["FAILED --robust-compare-fail=robust_acc:0pp: nothing was compared, *"])


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_with_only_a_gate_that_measured_nothing_fails(pytester, project, workers):
    fails_by_its_gates(pytester.runpytest_inprocess("--robust-only", "-k", "no_such_test", *workers))


def test_one_of_ours_is_enough_for_all_gates(pytester, project):
    result = pytester.runpytest_inprocess("-k", "test_load or test_clean")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED --robust-fail-under=30: no attack was run, *"])


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_ours_that_could_not_be_collected_were_not_left_out(pytester, project, workers):
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_make_collect_report(collector):
            report = yield
            if collector.name == "net.py":
                report.outcome, report.longrepr, report.result = "failed", "broken", []
            return report
        """
    )
    fails_by_its_gates(pytester.runpytest_inprocess("--continue-on-collection-errors", *workers))


def test_a_worker_that_crashed_may_have_had_ours(pytester, project):
    (project / "test_mine.py").write_text("import os\n\ndef test_load(): os._exit(1)")

    result = pytester.runpytest_inprocess("-n", "1", "--max-worker-restart=0", "-m", "not robust")
    fails_by_its_gates(result)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["test_mine.py"], MINE),
        (["test_mine.py::test_load"], MINE[:1]),
        (["test_mine.py::test_load", "sub/test_other.py"], [MINE[0], "sub/test_other.py::test_other"]),
        ([], ["sub/test_other.py::test_other", *MINE, *OURS]),
        (["."], ["sub/test_other.py::test_other", *MINE, *OURS]),
        (["sub"], ["sub/test_other.py::test_other", *OURS]),
        (["test_mine.py", "sub"], [*MINE, "sub/test_other.py::test_other", *OURS]),
        (["test_mine.py", MODEL], [*MINE, *OURS]),
        (["test_mine.py", "--robust-only"], OURS),
        (["test_mine.py::test_load", OURS[0]], [MINE[0], OURS[0]]),
        (["test_mine.py::test_load", "net.py"], [MINE[0], *OURS]),
    ],
)
def test_files_of_the_users_are_run_alone(node_ids, pytester, project, args, expected):
    (pytester.mkdir("sub") / "test_other.py").write_text("def test_other(): pass")

    assert node_ids(*args) == expected


def test_a_file_that_the_ini_file_names_was_not_asked_for(pytester, node_ids, project):
    (project / "tox.ini").write_text(f"{GATE}testpaths = test_mine.py\n")

    assert node_ids() == [*MINE, *OURS]
    shared = pytester.runpytest_inprocess("-n", "2", UNCHECKED)
    shared.assert_outcomes(passed=4)


def test_a_model_that_is_no_file_is_left_out_as_well(node_ids, project):
    (project / "tox.ini").write_text(GATE.replace("net.py:make", "zoo:mlp"))

    assert node_ids("test_mine.py::test_load") == MINE[:1]
    assert node_ids("test_mine.py::test_load", "zoo:mlp::test_clean") == [MINE[0], "zoo:mlp::test_clean"]


def test_a_test_that_asks_for_the_model_gets_it_where_ours_are_left_out(pytester, project):
    (project / "test_mine.py").write_text("def test_load(robust_attack): assert robust_attack('fgsm').accuracy")

    result = pytester.runpytest_inprocess("test_mine.py")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK
