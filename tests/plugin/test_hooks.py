"""The hooks of robust/hookspec.py, implemented in a conftest.py as their docstrings show."""

import ast
import inspect
import textwrap

import pandas as pd
import pytest

from robust import hookspec

MODEL = "--robust-model=net.py:make"
HOOKS = [name for name in vars(hookspec) if name.startswith("pytest_robust_")]


@pytest.fixture
def hooked(run, pytester):
    """Run the model with these lines in conftest.py."""

    def hooked(conftest, *args, **options):
        pytester.makeconftest("import pytest\n" + textwrap.dedent(conftest))
        return run(*(args or [MODEL]), **options)

    return hooked


def example(name):
    """The code in the docstring of a hook."""
    return textwrap.dedent(inspect.getdoc(getattr(hookspec, name)).partition("::\n")[2])


def fails(result, told):
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {told}"])
    assert [line for line in result.errlines if line] == result.errlines[:1]
    result.stdout.no_fnmatch_line("*Traceback*")


def test_these_are_the_hooks():
    assert HOOKS == [
        "pytest_robust_load_model",
        "pytest_robust_load_data",
        "pytest_robust_attacks",
        "pytest_robust_record",
        "pytest_robust_gates",
        "pytest_robust_report",
    ]


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_has_an_example_that_fits_its_arguments(name):
    (function,) = ast.parse(example(name)).body

    assert isinstance(function, ast.FunctionDef)
    assert function.name == name
    assert [ast.unparse(decorator) for decorator in function.decorator_list] == ["pytest.hookimpl(optionalhook=True)"]
    assert {arg.arg for arg in function.args.args} <= {*inspect.signature(getattr(hookspec, name)).parameters}


@pytest.mark.parametrize("name", HOOKS)
def test_an_example_is_an_indented_block(name):
    """The page would not show it as code."""
    text = inspect.getdoc(getattr(hookspec, name))

    assert "::\n\n    @pytest.hookimpl(optionalhook=True)\n" in text


def test_the_examples_can_stand_together_in_a_conftest(hooked, folder, monkeypatch):
    monkeypatch.setenv("NIGHTLY", "")
    result = hooked(
        "import os, sys, types\nmlflow = types.SimpleNamespace(log_metric=print)\n"
        + "\n".join(example(name) for name in HOOKS),
        MODEL,
        "-s",
        "--robust-threat=linf:0.05",
    )

    result.stdout.fnmatch_lines(["*robust linf:0.05 0.*"])
    assert (folder / "leaderboard" / "worst.txt").read_text() == "net"


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_may_take_no_arguments_at_all(hooked, name):
    hooked(f"@pytest.hookimpl(optionalhook=True)\ndef {name}(): pass").assert_outcomes(passed=3)


def test_an_unknown_hook_is_told(hooked):
    result = hooked("def pytest_robust_gate(records): pass")

    assert result.ret != pytest.ExitCode.OK
    assert "unknown hook 'pytest_robust_gate'" in result.stdout.str() + result.stderr.str()


# pytest_robust_load_model

BLOB = """
import net

@pytest.hookimpl(optionalhook=True)
def pytest_robust_load_model(path):
    if path.suffix == ".blob":
        return net.make()
"""


def test_a_model_of_a_format_of_the_users_own(hooked, folder):
    (folder / "mine.blob").touch()
    result = hooked(BLOB, "--robust-model=mine.blob", MODEL, "-v")

    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["mine.blob::test_clean PASSED*", "net.py::test_clean PASSED*"])
    table = pd.read_csv(folder / "leaderboard" / "results.csv")
    assert table[table.attack == "all"].model.tolist() == ["mine", "net"]


def test_a_node_id_of_such_a_model_runs_alone(hooked, folder):
    (folder / "mine.blob").touch()

    hooked(BLOB, "--robust-model=mine.blob", "mine.blob::test_clean").assert_outcomes(passed=1)


def test_a_format_of_the_users_own_is_loaded_by_every_worker(hooked, folder):
    (folder / "mine.blob").touch()

    hooked(BLOB, "--robust-model=mine.blob", "-n", "2").assert_outcomes(passed=3)


def test_such_a_model_has_to_be_there(hooked):
    fails(hooked(BLOB, "--robust-model=mine.blob"), "--robust-model=mine.blob: no such file*")


def test_what_it_returns_has_to_be_a_model(hooked):
    result = hooked("def pytest_robust_load_model(path): return {'a': 1}")

    fails(result, "--robust-model=net.py:make: pytest_robust_load_model returned dict, expected torch.nn.Module")


@pytest.mark.parametrize("error", ["ValueError", "RuntimeError", "KeyError"])
def test_a_hook_that_cannot_load_is_one_line(hooked, error):
    result = hooked(f"def pytest_robust_load_model(path): raise {error}('not mine')")

    fails(result, "--robust-model=net.py:make: *not mine*")


# pytest_robust_load_data

SCANS = """
import numpy as np

def read_scans(split):
    from robust.data.dataset import DATA

    x, y = DATA.get("digits").read(split)
    return x[np.arange(100)], y[:100]

@pytest.hookimpl(optionalhook=True)
def pytest_robust_load_data(name):
    if name == "scans":
        from robust.data import Dataset

        return Dataset("scans", "linf:0.05", 0.0, 1.0, classes=10, shape=(1, 8, 8), read=read_scans)
"""


def test_data_of_the_users_own(hooked):
    result = hooked(SCANS, MODEL, "--robust-data=scans", fast=False)

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["robust: scans; linf:0.05;*", "scans, linf:0.05, fgsm+pgd, n = 100"])


def test_other_data_is_left_to_the_plugin(hooked):
    hooked(SCANS).stdout.fnmatch_lines(["digits, linf:0.15, *"])
    fails(hooked(SCANS, MODEL, "--robust-data=scan"), "--robust-data=scan: unknown data set 'scan'*")


@pytest.mark.parametrize("returned", ["(1, 2)", "'digits'", "read_scans"])
def test_what_it_returns_has_to_be_a_data_set(hooked, returned):
    result = hooked(SCANS + f"\ndef pytest_robust_load_data(name): return {returned}", MODEL, "--robust-data=scans")

    fails(result, "--robust-data=scans: pytest_robust_load_data returned *, expected robust.data.Dataset")


def test_data_of_the_users_own_that_lies_about_itself_is_one_line(hooked):
    result = hooked(SCANS.replace("(1, 8, 8)", "(3, 8, 8)"), MODEL, "--robust-data=scans")

    fails(result, "--robust-*scans has inputs of shape [[]1, 8, 8[]] * expected [[]3, 8, 8[]]*")


# pytest_robust_attacks


def test_attacks_and_threats_are_changed_in_place(hooked, node_ids, folder):
    conftest = """
    @pytest.hookimpl(optionalhook=True)
    def pytest_robust_attacks(attacks, threats):
        attacks.append("pgd:steps=2")
        attacks.remove("fgsm")
        threats[:] = ["linf:3/20", "l2:0.5"]
    """
    hooked(conftest).assert_outcomes(passed=5)

    assert node_ids(MODEL)[1:3] == ["net.py::test_attack[pgd-linf-0.15]", "net.py::test_attack[pgd-steps2-linf-0.15]"]


def test_an_attack_that_is_there_already_is_run_once(hooked):
    hooked("def pytest_robust_attacks(attacks): attacks.append('fgsm')").assert_outcomes(passed=3)


def test_a_floor_may_be_for_an_attack_that_a_hook_adds(hooked):
    conftest = "def pytest_robust_attacks(attacks): attacks.append('pgd:steps=2')"

    hooked(conftest, MODEL, "--robust-fail-under=pgd-steps2:10").assert_outcomes(passed=4)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("attacks.append('pgdd')", "--robust-attack=pgdd: unknown attack 'pgdd', did you mean 'pgd'*"),
        ("threats.append('lin:1')", "--robust-threat=lin:1: *did you mean 'linf'*"),
        ("attacks.clear()", "--robust-attack: there is no attack left to run (pytest_robust_attacks)"),
        ("attacks.append(None)", "*pytest_robust_attacks*None*"),
        ("from robust.attacks import PGD; attacks.append(PGD())", "*pytest_robust_attacks*PGD*"),
        ("threats.append(0.1)", "*pytest_robust_attacks*0.1*"),
        ("return ['pgd']", "pytest_robust_attacks*list*in place*"),
    ],
)
def test_what_cannot_be_run_is_one_line(hooked, line, told):
    fails(hooked(f"def pytest_robust_attacks(attacks, threats): {line}"), told)


def test_no_threat_left_is_told_as_the_hooks_doing(hooked):
    result = hooked("def pytest_robust_attacks(threats): threats.clear()")

    fails(result, "*pytest_robust_attacks*")


# pytest_robust_record

SEEN = """
@pytest.hookimpl(optionalhook=True)
def pytest_robust_record(config, record):
    if not hasattr(config, "workerinput"):
        with open("seen.txt", "a") as file:
            print(record.model.name, record.threat, record.suite, record.robust.sum(), file=file)
"""


COUNTED = "def pytest_robust_gates(records): return [f'{len(records)} rows']"


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_every_row_is_handed_out_once_and_gated_once(hooked, folder, workers):
    result = hooked(SEEN + COUNTED, MODEL, "--robust-threat=linf:0.15,l2:0.5", *workers)

    result.assert_outcomes(passed=5)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert [line for line in result.outlines if "rows" in line] == ["FAILED 2 rows"]
    seen = sorted((folder / "seen.txt").read_text().splitlines())
    assert [line.rpartition(" ")[0] for line in seen] == ["net l2:0.5 fgsm+pgd-steps5", "net linf:0.15 fgsm+pgd-steps5"]


def test_a_row_of_a_users_test_is_handed_out_too(hooked, pytester, folder):
    pytester.makepyfile(
        test_own="def test_own(robust_attack, robust_report): robust_report.add(robust_attack('fgsm', 'linf:0.05'))"
    )
    hooked(SEEN, MODEL, "--robust-leaderboard=none")

    assert (folder / "seen.txt").read_text().startswith("net linf:0.05 fgsm ")


def test_a_record_is_handed_out_before_the_next_test(hooked, folder):
    result = hooked(
        """
        def pytest_robust_record(record): print("RECORD", record.threat)

        def pytest_runtest_logstart(nodeid): print("START", nodeid)
        """,
        MODEL,
        "-s",
        "--robust-threat=linf:0.15,l2:0.5",
    )

    result.stdout.fnmatch_lines(["*RECORD linf:0.15", "*START net.py::test_attack[[]fgsm-l2-0.5]", "*RECORD l2:0.5"])


def test_a_hook_that_fails_does_not_lose_the_row(hooked, folder):
    result = hooked("def pytest_robust_record(record): raise RuntimeError('no server')")

    assert result.ret != pytest.ExitCode.OK
    assert (folder / "leaderboard" / "results.csv").exists()


# pytest_robust_gates


def test_every_line_of_a_gate_is_told_and_fails_the_run(hooked, folder):
    result = hooked(
        """
        def pytest_robust_gates(records): return [f"{r.model.name} costs too much" for r in records] + ["and more"]
        """
    )

    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED net costs too much", "FAILED and more"], consecutive=True)
    assert (folder / "leaderboard" / "results.csv").exists()


@pytest.mark.parametrize("returned", ["[]", "None", "()"])
def test_a_gate_without_a_line_holds(hooked, returned):
    assert hooked(f"def pytest_robust_gates(records): return {returned}").ret == pytest.ExitCode.OK


def test_a_gate_is_asked_where_nothing_was_measured(hooked):
    result = hooked("def pytest_robust_gates(records): return [] if records else ['nothing']", MODEL, "-k", "clean")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED nothing"])


@pytest.mark.parametrize("returned", ["'too weak'", "3", "True", "{'a': 1}"])
def test_a_gate_that_returns_something_else_is_one_line(hooked, returned):
    result = hooked(f"def pytest_robust_gates(records): return {returned}")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert len([line for line in result.outlines if line.startswith("FAILED ")]) == 1
    result.stdout.fnmatch_lines(["FAILED pytest_robust_gates returned *, expected a list of str*"])
    result.stdout.no_fnmatch_line("*INTERNALERROR*")


# pytest_robust_report


def test_a_report_adds_files_to_the_leaderboard(hooked, folder):
    hooked(example("pytest_robust_report"), MODEL, "--robust-leaderboard=board")

    assert (folder / "board" / "worst.txt").read_text() == "net"


@pytest.mark.parametrize("args", [["--robust-leaderboard=none"], ["-k", "clean"], ["--collect-only"]])
def test_a_report_is_not_asked_for_where_there_is_no_leaderboard(hooked, folder, args):
    hooked("def pytest_robust_report(folder): raise RuntimeError", MODEL, *args)

    assert not (folder / "leaderboard").exists()


def test_a_report_is_made_after_our_files_and_once(hooked, folder):
    hooked(
        """
        def pytest_robust_report(folder, records):
            assert (folder / "results.csv").exists()
            with open("made.txt", "a") as file:
                print(len(records), file=file)
        """,
        MODEL,
        "--robust-threat=linf:0.15,l2:0.5",
    )

    assert (folder / "made.txt").read_text() == "2\n"


# Where hooks come from


def test_hooks_of_a_plugin_named_by_p_are_called(run, pytester):
    pytester.makepyfile(mine="def pytest_robust_gates(records): return ['of a plugin']")
    pytester.syspathinsert()

    run(MODEL, "-p", "mine").stdout.fnmatch_lines(["FAILED of a plugin"])


def test_several_implementations_are_all_asked(hooked, pytester):
    pytester.makepyfile(mine="def pytest_robust_gates(records): return ['of a plugin']")
    pytester.syspathinsert()
    result = hooked("def pytest_robust_gates(records): return ['of conftest']", MODEL, "-p", "mine")

    assert {line for line in result.outlines if line.startswith("FAILED")} == {
        "FAILED of a plugin",
        "FAILED of conftest",
    }


def test_hooks_are_silent_where_there_is_no_model(hooked, pytester):
    pytester.makepyfile(test_own="def test_own(): pass")
    raising = "\n".join(f"def {name}(): raise RuntimeError" for name in HOOKS)

    hooked(raising, "test_own.py").assert_outcomes(passed=1)
