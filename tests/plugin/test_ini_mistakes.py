"""Mistakes in an ini file: misspelt keys, values of another type, and empty ones, each in one line."""

import pytest

from robust.options import OPTIONS
from robust.settings.pytest_options import refuse_unknown_keys
from robust.settings.sources import options_of_config
from tests.plugin.test_ini import IDS, KINDS, MODEL, NATIVE


@pytest.mark.parametrize(
    "option", [each for each in OPTIONS if not (each.flag or each.bare)], ids=lambda each: each.name
)
def test_an_empty_value_is_one_line(pytester, option):
    """A gate that an unset variable of the CI's was to give would be off."""
    empty = f"expected {option.metavar}, and it is empty; leave it out for the default"
    with pytest.raises(pytest.UsageError) as typed:
        options_of_config(pytester.parseconfig(f"--robust-{option.name}="))
    assert str(typed.value) == f"--robust-{option.name}: {empty}"

    if not option.many:
        with pytest.raises(pytest.UsageError) as said:
            options_of_config(pytester.parseconfig("-o", f"{option.dest}="))
        assert str(said.value) == f"{option.dest}: {empty}"


@NATIVE
@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("robust_samples = 60", "expects a string, got int: 60"),
        ("robust_fail_under = 40", "expects a list for type 'linelist', got int: 40"),
        ("robust_fail_under = [40]", "expects a list of strings, but item at index 0 is int: 40"),
        ('robust_threat = "linf:0.1"', "expects a list for type 'linelist', got str: 'linf:0.1'"),
        ("robust_batch_size = 0.5", "expects a string, got float: 0.5"),
        ("robust_leaderboard = false", "expects a string, got bool: False"),
    ],
)
def test_another_type_than_native_toml_wants_is_one_line(pytester, line, told):
    (pytester.path / "pyproject.toml").write_text(f"[tool.pytest]\n{line}\n")
    with pytest.raises(pytest.UsageError) as caught:
        options_of_config(pytester.parseconfig())

    assert f"config option '{line.split()[0]}' {told}" in str(caught.value)
    assert "\n" not in str(caught.value)


@NATIVE
def test_a_flag_in_quotes_is_not_told_to_be_written_in_quotes(pytester, folder):
    (folder / "pyproject.toml").write_text('[tool.pytest]\nrobust_only = "true"\n')
    result = pytester.runpytest_inprocess(MODEL)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *robust_only*bool*"])
    result.stderr.no_fnmatch_line("*write it in quotes*")


def test_a_flag_that_is_neither_true_nor_false_is_one_line(pytester):
    pytester.makeini("[pytest]\nrobust_only = perhaps")

    with pytest.raises(pytest.UsageError, match=r"^[^\n]*perhaps[^\n]*$"):
        options_of_config(pytester.parseconfig())


@pytest.mark.parametrize("wrong", ["robust_fail_undr", "robust-fail-under"])
@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_a_misspelt_key_is_one_line_and_no_gate_that_passes(pytester, kind, wrong):
    name, (head, line) = kind
    misspelt = line("fail-undr", ["99"]).replace("robust_fail_undr", wrong)
    (pytester.path / name).write_text(head + line("model", ["net.py:make"]) + misspelt)

    with pytest.raises(pytest.UsageError) as caught:
        refuse_unknown_keys(pytester.parseconfig())
    assert str(caught.value).startswith(f"{name}: unknown key '{wrong}', did you mean 'robust_fail_under'? Known: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("args", [["-n", "2"], ["--collect-only"], ["-p", "no:terminal"]])
def test_a_misspelt_key_is_refused_in_every_kind_of_run(pytester, folder, args):
    pytester.makeini("[pytest]\nrobust_modle = net.py:make")

    result = pytester.runpytest_inprocess(*args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: tox.ini: unknown key 'robust_modle', did you mean 'robust_model'[?]*"])


@pytest.mark.parametrize("key", ["run_code", "save"])
def test_a_key_that_there_is_not_on_purpose_is_told_as_such(pytester, key):
    pytester.makeini(f"[pytest]\nrobust_{key} = weights.pt")
    option = f"--robust-{key.replace('_', '-')}"

    with pytest.raises(pytest.UsageError) as caught:
        refuse_unknown_keys(pytester.parseconfig())
    assert str(caught.value) == (
        f"tox.ini: robust_{key} is no key of an ini file, for it is of the run at hand: type {option}"
    )


def test_a_key_of_another_plugin_is_not_ours_to_refuse(pytester, folder):
    pytester.makeconftest("def pytest_addoption(parser): parser.addini('robust_modle', '', default='')")
    pytester.makeini("[pytest]\nrobust_modle = theirs\nrobustness = high")
    pytester.makepyfile(test_own="def test_own(): pass")

    pytester.runpytest_inprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize("args", [["--help"], ["--markers"]])
def test_a_misspelt_key_does_not_keep_help_from_answering(pytester, folder, args):
    pytester.makeini("[pytest]\nrobust_modle = net.py:make")

    assert pytester.runpytest_inprocess(*args).ret == pytest.ExitCode.OK
