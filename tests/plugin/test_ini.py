"""Every option has an ini key; the command line wins over it, and relative paths in it are relative to its file."""

import json

import numpy as np
import pytest

from robust.options import OPTIONS
from robust.settings.read import read
from tests.plugin.conftest import UNCHECKED

NATIVE = pytest.mark.skipif(pytest.version_tuple < (9,), reason="[tool.pytest] came with pytest 9")
MODEL = "--robust-model=net.py:make"

# For each option: what the ini file says, what the command line says, and where it is to be seen in the settings.
SAYS = {
    "model": (["net.py:make", "weights.pt"], ["net.py:bare", "weights.pt"], lambda s: [spec.text for spec in s.models]),
    "arch": ("net.py:make", "net.py:bare", lambda s: s.arch),
    "normalize": ("0.5/0.25", "0.4/0.3", lambda s: s.normalize),
    "output": ("logit", "logits:probability", lambda s: s.output),
    "road": ("twin", "queries", lambda s: s.road),
    "safe-globals": (["argparse.Namespace"], ["pathlib.PurePosixPath"], lambda s: [*s.permissions.safe_globals]),
    "data": ("digits", "npz:data.npz", lambda s: s.data),
    "criterion": ("class", None, lambda s: s.criterion),
    "attacked": (["3", "5"], ["7"], lambda s: [str(label) for label in s.dataset.attacked]),
    "groups": ("sex", "age", lambda s: s.groups.column),
    "download": (True, None, lambda s: s.download),
    "threat": (["linf:0.1", "l2:0.3"], ["l2:0.5"], lambda s: [*s.threats]),
    "attack": (["fgsm", "pgd:steps=3"], ["pgd:steps=2"], lambda s: [*s.attacks]),
    "suite": (["quick-1", "full-1"], ["standard-1"], lambda s: [suite.name for suite in s.suites]),
    "time": ("30s", "40s", lambda s: f"{s.seconds:g}s"),
    "search": (["bf16", "fold"], ["channels-last"], lambda s: [*s.search]),
    "certify": ("crown", "ibp", lambda s: s.certify),
    "curve": ("linf:0.5", "l2:3", lambda s: s.curves.ends[0]),
    "eps": (["linf:0.05", "l2:0.1"], ["l2:0.2"], lambda s: [*s.curves.eps]),
    "train": (["as-is", "standard:epochs=1"], ["standard:epochs=2"], lambda s: [*s.trainings]),
    "samples": ("30", "20", lambda s: str(s.samples)),
    "seed": ("3", "2", lambda s: str(s.seed)),
    "draw": ("3", "2", lambda s: str(s.draw)),
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


ALONE = ["goal", "queries", "draws", "folds"]  # which contradict what others say


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
    assert [option.name for option in OPTIONS if option.ini and option.name not in ALONE] == [*SAYS]


def test_what_is_for_the_run_at_hand_has_no_ini_key(settings, folder, pytester):
    assert [option.name for option in OPTIONS if not option.ini] == ["run-code", "save"]
    pytester.makeini("[pytest]\nrobust_model = net.py:make")

    assert settings("--robust-run-code=weights.pt").permissions.code == (str(folder / "weights.pt"),)


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


def test_numbers_without_quotes_are_fine_in_ini_options(settings, folder):
    (folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\nrobust_samples = 30\nrobust_only = true\n")

    found = settings(MODEL)
    assert (found.samples, found.only) == (30, True)


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
