"""Mistakes on pytest's command line that argparse would refuse: each is told in one line."""

import pytest

from robust.options import OPTIONS
from robust.settings.typed_options import refuse_malformed

VALUED = [option for option in OPTIONS if not (option.flag or option.bare)]


@pytest.mark.parametrize("option", VALUED, ids=lambda option: option.name)
@pytest.mark.parametrize(
    "after", [(), ("--robust-only",), ("-x",), ("--", "test_own.py"), ("--robust-data=a b",)], ids=str
)
def test_an_option_without_its_value_is_one_line(option, after):
    flag = f"--robust-{option.name}"
    with pytest.raises(pytest.UsageError) as caught:
        refuse_malformed(["-q", flag, *after])

    assert str(caught.value) == f"{flag}: its value is missing; write {flag}={option.metavar}"


@pytest.mark.parametrize(
    "typed",
    [
        ["--robust-samples", "3"],
        ["--robust-samples=3"],
        ["--robust-samples="],  # is refused as it is read
        ["--robust-seed", "-1"],  # likewise
        ["--robust-save", "-x"],
        ["--robust-curve"],
        ["--robust-only"],
        ["--", "--robust-samples"],
        ["--robust-fail-under", "- 3"],
    ],
    ids=str,
)
def test_what_argparse_takes_is_left_to_it(typed):
    refuse_malformed(typed)


def test_a_flag_takes_no_value():
    with pytest.raises(pytest.UsageError, match="--robust-only: it takes no value, got 'yes'; write --robust-only"):
        refuse_malformed(["--robust-only=yes"])


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("--robust-certify", "ERROR: --robust-certify: its value is missing; write --robust-certify=METHOD"),
        ("--robust-download=1", "ERROR: --robust-download: it takes no value, got '1'; write --robust-download"),
        ("--robust-sampels=3", "ERROR: unknown option '--robust-sampels', did you mean '--robust-samples'? Known: *"),
        ("--robust_samples=3", "ERROR: unknown option '--robust_samples', did you mean '--robust-samples'? Known: *"),
    ],
)
def test_pytest_ends_with_the_line(pytester, typed, told):
    result = pytester.runpytest_inprocess(typed)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [line for line in result.errlines if line][:1]
    result.stderr.fnmatch_lines([told])


MALFORMED = {
    "--robust-certify": "--robust-certify: its value is missing; write --robust-certify=METHOD",
    "--robust-download=1": "--robust-download: it takes no value, got '1'; write --robust-download",
}


@pytest.mark.parametrize("typed", MALFORMED)
@pytest.mark.parametrize("place", ["PYTEST_ADDOPTS", "tox.ini", "--override-ini"])
def test_the_same_in_addopts_is_one_line_that_names_the_place(pytester, monkeypatch, place, typed):
    begins, args = f"{place}: addopts: ", []
    if place == "PYTEST_ADDOPTS":
        begins = f"{place}: "
        monkeypatch.setenv("PYTEST_ADDOPTS", typed)
    elif place == "tox.ini":
        pytester.makeini(f"[pytest]\naddopts = -q {typed}\n")
    else:
        args = ["-o", f"addopts={typed}"]
    result = pytester.runpytest_inprocess("--robust-samples=3", *args)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [f"ERROR: {begins}{MALFORMED[typed]}"]


def test_a_misspelt_option_in_addopts_is_one_line(pytester):
    pytester.makeini("[pytest]\naddopts = --robust-sampels=3\n")
    result = pytester.runpytest_inprocess()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert len([line for line in result.errlines if line]) == 1
    result.stderr.fnmatch_lines(["ERROR: unknown option '--robust-sampels', did you mean '--robust-samples'? Known: *"])


def test_an_option_that_a_conftest_declares_is_known(pytester):
    pytester.makeconftest("def pytest_addoption(parser):\n    parser.addoption('--robust-mine')\n")
    pytester.makepyfile("def test_own(pytestconfig):\n    assert pytestconfig.option.robust_mine == '3'\n")

    assert pytester.runpytest_inprocess("--robust-mine=3").ret == 0


@pytest.mark.parametrize("gate", ["--robust-fail-under=60", "--robust-compare=latest"])
def test_a_gate_without_a_model_is_not_silently_off(pytester, gate):
    result = pytester.runpytest_inprocess(gate)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: there is no model to test; name one, as --robust-model=net.py:make of pytest*"]
    )


# In the process of a test, the plugin was imported before pytest could rewrite it; a user's pytest comes first.
STRICT = ("-W", "error", "-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")


@pytest.mark.parametrize("args", [(), ("-q",), STRICT, ("-n2",), ("--collect-only",)], ids=" ".join)
@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("robust_fail_under = 60", "robust_fail_under"),
        ("robust_compare = latest\nrobust_fail_under =\n  60", "robust_fail_under and robust_compare"),
        ("robust_compare =", "robust_compare"),  # with a model it is refused: it is empty
        ("addopts = --robust-fail-under=60", "--robust-fail-under"),
    ],
)
def test_a_gate_in_an_ini_file_waits_for_a_model_and_says_so(pytester, line, named, args):
    pytester.makeini(f"[pytest]\n{line}\n")
    pytester.makepyfile("def test_own(): pass")
    result = pytester.runpytest_inprocess(*args)

    told = f"robust: no model was tested, so {named} gated nothing; name one, as --robust-model=net.py:make"
    assert result.ret == 0
    assert [text for text in result.outlines if text.startswith("robust: ")] == [told]


def test_without_a_gate_nothing_is_said(pytester):
    pytester.makeini("[pytest]\nrobust_samples = 60\nrobust_fail_under =\n")
    pytester.makepyfile("def test_own(): pass")

    pytester.runpytest_inprocess().stdout.no_fnmatch_line("robust: *")


def test_the_help_answers_beside_an_unknown_option(pytester):
    result = pytester.runpytest_inprocess("--help", "--robust-sampels=3")

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*--robust-model*"])
    assert "unknown option" not in result.stderr.str()
