"""Every option has an ini key; the command line wins over it, and relative paths in it are relative to its file."""

import json

import numpy as np
import pytest

from robust.options import OPTIONS, refuse_unknown
from robust.settings.read import read
from robust.settings.sources import options_of_config
from tests.plugin.conftest import UNCHECKED

NATIVE = pytest.mark.skipif(pytest.version_tuple < (9,), reason="[tool.pytest] came with pytest 9")
MODEL = "--robust-model=net.py:make"

# For each option: what the ini file says, what the command line says, and where it is to be seen in the settings.
SAYS = {
    "model": (["net.py:make"], ["net.py:bare"], lambda s: [spec.text for spec in s.models]),
    "arch": ("net.py:make", "net.py:bare", lambda s: s.arch),
    "normalize": ("0.5/0.25", "0.4/0.3", lambda s: s.normalize),
    "safe-globals": (["argparse.Namespace"], ["pathlib.PurePosixPath"], lambda s: [*s.allowed.safe_globals]),
    "data": ("digits", "npz:data.npz", lambda s: s.data),
    "download": (True, None, lambda s: s.download),
    "threat": (["linf:0.1", "l2:0.3"], ["l2:0.5"], lambda s: [*s.threats]),
    "attack": (["fgsm", "pgd:steps=3"], ["pgd:steps=2"], lambda s: [*s.attacks]),
    "suite": (["quick-1", "full-1"], ["standard-1"], lambda s: [suite.name for suite in s.suites]),
    "time": ("30s", "40s", lambda s: f"{s.seconds:g}s"),
    "search": (["bf16", "fold"], ["channels-last"], lambda s: [*s.search]),
    "train": (["as-is", "standard:epochs=1"], ["standard:epochs=2"], lambda s: [*s.trainings]),
    "samples": ("30", "20", lambda s: str(s.samples)),
    "seed": ("3", "2", lambda s: str(s.seed)),
    "batch-size": ("7", "5", lambda s: str(s.batch_size)),
    "device": ("auto", "cpu", lambda s: s.device),
    "fail-under": (["clean:70", "40"], ["30"], lambda s: [str(floor) for floor in s.gates.floors]),
    "fail-on": ("ci", "figure", lambda s: s.gates.fail_on),
    "verdict": ("trusted", "suspect", lambda s: s.verdict),
    "accept": (["nondeterministic"], ["nondeterministic"], lambda s: [*s.accepted]),
    "compare": ("auto", "latest", lambda s: s.baselines.compare),
    "compare-fail": (
        ["robust_acc:2pp", "clean_acc:1pp"],
        ["robust_acc:0.5pp"],
        lambda s: [str(margin) for margin in s.baselines.margins],
    ),
    "leaderboard": ("board", "other", lambda s: s.leaderboard.name),
    "evidence": ("9", "4", lambda s: str(s.evidence)),
    "gallery": ("2", "0", lambda s: str(s.gallery)),
    "fresh": ("3", "0", lambda s: str(s.fresh)),
    "only": (True, None, lambda s: s.only),
}


@pytest.fixture
def settings(pytester, folder):
    """A function: the settings of a run with these arguments, which is not started."""
    np.savez(folder / "data.npz", x=np.zeros((40, 1, 8, 8), np.float32), y=np.arange(40) % 10)
    return lambda *args: read(pytester.parseconfig(*args))


def ini(name, said):
    """The lines of an ini file, or of [tool.pytest.ini_options]."""
    lines = "".join(f"\n    {line}" for line in said) if isinstance(said, list) else str(said).lower()
    return f"robust_{name.replace('-', '_')} = {lines}\n"


def toml(name, said):
    return f"robust_{name.replace('-', '_')} = {json.dumps(said)}\n"


FILES = {
    "pytest.ini": ("[pytest]\n", ini),
    "tox.ini": ("[pytest]\n", ini),
    "setup.cfg": ("[tool:pytest]\n", ini),
    "pyproject.toml": ("[tool.pytest.ini_options]\n", toml),
}
KINDS = [*FILES.items(), pytest.param(("pyproject.toml", ("[tool.pytest]\n", toml)), marks=NATIVE)]
IDS = [*FILES, "native"]


def test_every_option_is_looked_at_here():
    assert [option.name for option in OPTIONS if option.ini] == [*SAYS]


def test_what_is_for_the_run_at_hand_has_no_ini_key(settings, folder, pytester):
    assert [option.name for option in OPTIONS if not option.ini] == ["run-code", "save"]
    pytester.makeini("[pytest]\nrobust_model = net.py:make")

    assert settings("--robust-run-code=weights.pt").allowed.code == (str(folder / "weights.pt"),)


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_every_option_can_be_said_in_a_file(settings, folder, kind):
    name, (head, line) = kind
    (folder / name).write_text(head + "".join(line(key, said) for key, (said, *_) in SAYS.items()))

    found = settings()
    assert {key: look(found) for key, (*_, look) in SAYS.items()} == {key: said for key, (said, *_) in SAYS.items()}


def test_the_command_line_wins_over_every_one(settings, folder):
    head, line = FILES["pytest.ini"]
    (folder / "pytest.ini").write_text(head + "".join(line(key, said) for key, (said, *_) in SAYS.items()))
    typed = {key: wins for key, (_, wins, _) in SAYS.items() if wins is not None}
    each = [(key, word) for key, wins in typed.items() for word in ([wins] if isinstance(wins, str) else wins)]

    found = settings(*(f"--robust-{key}={word}" for key, word in each))
    assert {key: SAYS[key][2](found) for key in typed} == typed


def test_an_ini_key_can_be_overridden_for_one_run(settings, pytester):
    pytester.makeini("[pytest]\nrobust_model = net.py:make\nrobust_threat = l2:1\nrobust_samples = 30")

    found = settings("-o", "robust_threat=linf:0.2", "-o", "robust_samples=20")
    assert (found.threats, found.samples) == (("linf:0.2",), 20)


def test_a_suite_of_the_file_can_be_switched_off(settings, pytester):
    pytester.makeini(
        "[pytest]\nrobust_model = net.py:make\nrobust_suite = quick-1\nrobust_time = 5m\nrobust_search = bf16"
    )

    assert [suite.name for suite in settings().suites] == ["quick-1"]
    found = settings("--robust-suite=none")
    assert (found.suites, found.attacks, found.rows) == ((), ("fgsm", "pgd"), ("",))
    assert settings("--robust-suite=none", "--robust-attack=fgsm").attacks == ("fgsm",)


def test_addopts_may_hold_the_options(settings, pytester):
    pytester.makeini(f"[pytest]\naddopts = {MODEL} --robust-samples=30")

    assert settings("--robust-samples=20").samples == 20


def test_empty_lists_are_as_if_they_were_not_there(settings, pytester):
    pytester.makeini("[pytest]\nrobust_threat =\nrobust_attack =\nrobust_train =\nrobust_fail_under =")

    found = settings(MODEL)
    assert (found.threats, found.attacks, found.trainings) == (("linf:0.15",), ("fgsm", "pgd"), ("as-is",))


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


def test_an_empty_list_of_models_is_no_model(pytester, folder):
    pytester.makeini("[pytest]\nrobust_model =")
    pytester.makepyfile(test_own="def test_own(): pass")

    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_lists_may_be_lines_or_commas_or_both(settings, pytester):
    pytester.makeini(
        """
        [pytest]
        robust_model =
            net.py:make
            # the untrained one
            net.py:bare
        robust_attack = fgsm,pgd:steps=2
        robust_threat =
            linf:0.1, l2:0.3

            l1:2
        """
    )

    found = settings()
    assert [spec.text for spec in found.models] == ["net.py:make", "net.py:bare"]
    assert (found.attacks, found.threats) == (("fgsm", "pgd:steps=2"), ("linf:0.1", "l2:0.3", "l1:2"))


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


def test_numbers_without_quotes_are_fine_in_ini_options(settings, folder):
    (folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\nrobust_samples = 30\nrobust_only = true\n")

    found = settings(MODEL)
    assert (found.samples, found.only) == (30, True)


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
        refuse_unknown(pytester.parseconfig())
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
        refuse_unknown(pytester.parseconfig())
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


@pytest.mark.parametrize("where", ["sub", "elsewhere"])
def test_relative_paths_in_the_file_are_relative_to_it(pytester, folder, settings, monkeypatch, where):
    pytester.makeini(
        """
        [pytest]
        robust_model = weights.pt
        robust_arch = net.py:bare
        robust_data = npz:data.npz
        robust_threat = linf:0.1
        robust_leaderboard = made/board
        """
    )
    monkeypatch.chdir(pytester.mkdir(where))

    found = settings("-c", str(folder / "tox.ini"))
    assert found.models[0].path == folder / "weights.pt"
    assert found.folder == folder
    assert found.leaderboard == folder / "made" / "board"
    assert pytester.runpytest_inprocess("-c", str(folder / "tox.ini"), "--robust-samples=20", UNCHECKED).ret == 0
    assert (folder / "made" / "board" / "results.csv").exists()


def test_relative_paths_on_the_command_line_are_relative_to_the_working_folder(pytester, folder, settings, monkeypatch):
    pytester.makeini("[pytest]\nrobust_model = net.py:make\nrobust_leaderboard = board")
    monkeypatch.chdir(pytester.mkdir("sub"))
    found = settings("--robust-model=../net.py:bare", "--robust-leaderboard=here")

    assert found.models[0].path == folder / "net.py"
    assert found.leaderboard == folder / "sub" / "here"


def test_a_module_in_the_file_is_looked_for_below_it(pytester, folder, settings, monkeypatch):
    pytester.makeini("[pytest]\nrobust_model = net:make")
    monkeypatch.chdir(pytester.mkdir("sub"))

    assert settings().models[0].path == folder / "net.py"
    assert pytester.runpytest_inprocess("--robust-samples=20", "--robust-attack=fgsm").ret == 0


def test_a_gate_in_the_file_is_kept(pytester, folder):
    pytester.makeini("[pytest]\nrobust_model = net.py:make\nrobust_samples = 60\nrobust_fail_under = 99")

    assert pytester.runpytest_inprocess("--robust-attack=fgsm").ret == pytest.ExitCode.TESTS_FAILED
