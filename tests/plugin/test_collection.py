"""The tests that there are, their names, and how pytest's own options select them."""

import shlex
from xml.etree import ElementTree

import pandas as pd
import pytest

from tests.plugin.conftest import UNCHECKED

MODEL = "--robust-model=net.py:make"
ARCH = "--robust-arch=net.py:bare"
HIGH = "--robust-fail-under=90"
NATIVE = pytest.mark.skipif(pytest.version_tuple < (9,), reason="strict and [tool.pytest] came with pytest 9")

OTHERS = """
from torch import nn

def make(width=1, bias=True):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
"""

IDS = {
    "one model": (
        [MODEL],
        ["net.py::test_clean", "net.py::test_attack[fgsm-linf-0.15]", "net.py::test_attack[pgd-linf-0.15]"],
    ),
    "two models in two files": (
        [MODEL, "--robust-model=wide.py:make"],
        [
            "net.py::test_clean",
            "net.py::test_attack[fgsm-linf-0.15]",
            "net.py::test_attack[pgd-linf-0.15]",
            "wide.py::test_clean",
            "wide.py::test_attack[fgsm-linf-0.15]",
            "wide.py::test_attack[pgd-linf-0.15]",
        ],
    ),
    "two factories of one file": (
        [MODEL, "--robust-model=net.py:bare"],
        [
            "net.py::test_clean[make]",
            "net.py::test_attack[make-fgsm-linf-0.15]",
            "net.py::test_attack[make-pgd-linf-0.15]",
            "net.py::test_clean[bare]",
            "net.py::test_attack[bare-fgsm-linf-0.15]",
            "net.py::test_attack[bare-pgd-linf-0.15]",
        ],
    ),
    "a factory of another name": (
        ["--robust-model=net.py:bare"],
        [
            "net.py::test_clean[bare]",
            "net.py::test_attack[bare-fgsm-linf-0.15]",
            "net.py::test_attack[bare-pgd-linf-0.15]",
        ],
    ),
    "arguments": (
        ["--robust-model=wide.py:make(width=2)", "--robust-model=wide.py:make(3, bias=False)"],
        [
            "wide.py::test_clean[make-width2]",
            "wide.py::test_attack[make-width2-fgsm-linf-0.15]",
            "wide.py::test_attack[make-width2-pgd-linf-0.15]",
            "wide.py::test_clean[make-3-biasfalse]",
            "wide.py::test_attack[make-3-biasfalse-fgsm-linf-0.15]",
            "wide.py::test_attack[make-3-biasfalse-pgd-linf-0.15]",
        ],
    ),
    "a module": (
        ["--robust-model=pkg.mod:make"],
        ["pkg/mod.py::test_clean", "pkg/mod.py::test_attack[fgsm-linf-0.15]", "pkg/mod.py::test_attack[pgd-linf-0.15]"],
    ),
    "a package": (
        ["--robust-model=pkg:make"],
        [
            "pkg/__init__.py::test_clean",
            "pkg/__init__.py::test_attack[fgsm-linf-0.15]",
            "pkg/__init__.py::test_attack[pgd-linf-0.15]",
        ],
    ),
    "weights": (
        ["--robust-model=weights.safetensors", ARCH],
        [
            "weights.safetensors::test_clean",
            "weights.safetensors::test_attack[fgsm-linf-0.15]",
            "weights.safetensors::test_attack[pgd-linf-0.15]",
        ],
    ),
    "threats and attacks": (
        [
            MODEL,
            "--robust-threat=linf:8/255,l2:0.5",
            "--robust-attack=torchattacks:APGD",
            "--robust-attack=pgd:steps=40:restarts=5",
        ],
        [
            "net.py::test_clean",
            "net.py::test_attack[torchattacks-apgd-linf-8_255]",
            "net.py::test_attack[pgd-restarts5-steps40-linf-8_255]",
            "net.py::test_attack[torchattacks-apgd-l2-0.5]",
            "net.py::test_attack[pgd-restarts5-steps40-l2-0.5]",
        ],
    ),
    "trainings": (
        [MODEL, "--robust-train=standard,pgd-at:epochs=1,as-is"],
        [
            "net.py::test_clean[standard]",
            "net.py::test_attack[standard-fgsm-linf-0.15]",
            "net.py::test_attack[standard-pgd-linf-0.15]",
            "net.py::test_clean[pgd-at-epochs1]",
            "net.py::test_attack[pgd-at-epochs1-fgsm-linf-0.15]",
            "net.py::test_attack[pgd-at-epochs1-pgd-linf-0.15]",
            "net.py::test_clean[as-is]",
            "net.py::test_attack[as-is-fgsm-linf-0.15]",
            "net.py::test_attack[as-is-pgd-linf-0.15]",
        ],
    ),
    "architectures of libraries": (
        [
            "--robust-model=zoo:wideresnet-10-1",
            "--robust-model=zoo:cnn(width=4)",
            "--robust-model=torchvision:resnet18",
        ],
        [
            "zoo:wideresnet-10-1::test_clean",
            "zoo:wideresnet-10-1::test_attack[fgsm-linf-0.15]",
            "zoo:wideresnet-10-1::test_attack[pgd-linf-0.15]",
            "zoo:cnn-width4::test_clean",
            "zoo:cnn-width4::test_attack[fgsm-linf-0.15]",
            "zoo:cnn-width4::test_attack[pgd-linf-0.15]",
            "torchvision:resnet18::test_clean",
            "torchvision:resnet18::test_attack[fgsm-linf-0.15]",
            "torchvision:resnet18::test_attack[pgd-linf-0.15]",
        ],
    ),
    "an architecture that is trained": (
        ["--robust-model=zoo:mlp", "--robust-train=standard,as-is", "--robust-attack=fgsm"],
        [
            "zoo:mlp::test_clean[standard]",
            "zoo:mlp::test_attack[standard-fgsm-linf-0.15]",
            "zoo:mlp::test_clean[as-is]",
            "zoo:mlp::test_attack[as-is-fgsm-linf-0.15]",
        ],
    ),
    "outside the root folder": (
        [MODEL, "--rootdir=pkg", "--robust-only"],
        [
            "ROOT/net.py::test_clean",
            "ROOT/net.py::test_attack[fgsm-linf-0.15]",
            "ROOT/net.py::test_attack[pgd-linf-0.15]",
        ],
    ),
    "a file of tests": (
        ["--robust-model=test_net.py:make"],
        [
            "test_net.py::test_mine",
            "test_net.py::test_clean",
            "test_net.py::test_attack[fgsm-linf-0.15]",
            "test_net.py::test_attack[pgd-linf-0.15]",
        ],
    ),
}


@pytest.fixture
def models(folder, pytester):
    """The user's folder, with models of every kind."""
    pytester.makepyfile(wide=OTHERS)
    package = pytester.mkpydir("pkg")
    (package / "__init__.py").write_text("from pkg.mod import make\n")
    (package / "mod.py").write_text(OTHERS)
    return folder


@pytest.mark.parametrize("case", IDS)
def test_node_ids_stay_as_they_are(node_ids, models, case):
    args, ids = IDS[case]
    if case == "a file of tests":
        (models / "test_net.py").write_text(OTHERS + "\ndef test_mine(): pass\n")

    assert node_ids(*args) == [word.replace("ROOT", models.as_posix()) for word in ids]


def test_a_symlink_goes_by_its_own_name(node_ids, models, pytester):
    """Symlinks of the Hugging Face cache are so: their targets are named by their hash."""
    (models / "link.safetensors").symlink_to(pytester.mkdir("blobs") / "ab12")
    (models / "weights.safetensors").rename(models / "blobs" / "ab12")

    ids = node_ids("--robust-model=link.safetensors", ARCH)
    assert ids[0] == "link.safetensors::test_clean"


def test_every_id_that_is_listed_can_be_given_back(node_ids, models):
    for case in IDS.keys() - {"outside the root folder", "a file of tests"}:
        args, ids = IDS[case]
        for word in (ids[0], ids[-1]):
            assert node_ids(*args, word) == [word]


def test_every_id_of_a_model_outside_the_root_folder_can_be_given_back(node_ids, models):
    (models / "pkg" / "pytest.ini").write_text("[pytest]\n")
    args = (MODEL, "--robust-only", "--rootdir=pkg", "-c", "pkg/pytest.ini")

    for word in node_ids(*args):
        assert node_ids(*args, word) == [word]


def test_an_id_without_brackets_gives_all_of_that_test(node_ids, models):
    args, ids = IDS["two factories of one file"]

    assert node_ids(*args, "net.py::test_attack") == [word for word in ids if "test_attack" in word]
    assert node_ids(*args, "net.py") == ids


def test_the_users_test_in_a_file_with_a_model_can_be_given(node_ids, models):
    (models / "test_net.py").write_text(OTHERS + "\ndef test_mine(): pass\n")
    args, ids = IDS["a file of tests"]

    assert node_ids(*args, "test_net.py::test_mine") == ["test_net.py::test_mine"]
    assert sorted(node_ids(*args, "test_net.py")) == sorted(ids)


def test_the_command_that_repeats_a_model_outside_the_root_folder_keeps_its_ini_file(pytester, fork_run, models):
    inner = pytester.mkdir("project")
    (inner / "pytest.ini").write_text("[pytest]\nrobust_model = ../net.py:make\nrobust_samples = 20\n")
    args = (f"--rootdir={inner}", "-c", f"{inner / 'pytest.ini'}", "--robust-only", HIGH, UNCHECKED)
    result = pytester.runpytest_inprocess(*args)
    (command, *_) = [line for line in result.outlines if line.startswith("repeat: ")]

    fork_run(*shlex.split(command.removeprefix("repeat: pytest "))).assert_outcomes(failed=1)


def test_keywords_find_what_the_ids_show(node_ids, models):
    args, _ = IDS["trainings"]

    assert node_ids(*args, "-k", "as-is and pgd-linf") == ["net.py::test_attack[as-is-pgd-linf-0.15]"]
    assert node_ids(*args, "-k", "standard and not attack") == ["net.py::test_clean[standard]"]
    assert node_ids(MODEL, "-k", "net.py and fgsm") == ["net.py::test_attack[fgsm-linf-0.15]"]


def test_the_mark_tells_our_tests_from_the_users(node_ids, pytester, models):
    pytester.makepyfile(test_own="def test_own(): pass")

    assert node_ids(MODEL, "-m", "robust") == IDS["one model"][1]
    assert node_ids(MODEL, "-m", "not robust") == ["test_own.py::test_own"]


def test_deselect_leaves_out_what_is_named(node_ids, models):
    clean, fgsm, pgd = IDS["one model"][1]

    assert node_ids(MODEL, f"--deselect={fgsm}") == [clean, pgd]
    assert node_ids(MODEL, "--deselect=net.py::test_attack") == [clean]


@pytest.mark.parametrize("model", [[MODEL], ["--robust-model=weights.pt", ARCH], [MODEL, "--rootdir=project"]])
def test_last_failed_runs_what_failed(run, pytester, model):
    pytester.mkdir("project")
    pytester.makepyfile(test_own="def test_own(): pass")
    run(*model, HIGH).assert_outcomes(passed=2, failed=2)

    again = run(*model, HIGH, "--lf")

    assert {key: n for key, n in again.parseoutcomes().items() if key != "deselected"} == {"failed": 2}
    again.stdout.fnmatch_lines(["*rerun previous 2 failures*"])


def test_failed_first_comes_first(run):
    run(MODEL, HIGH)

    again = run(MODEL, HIGH, "--ff", "-v")
    again.stdout.fnmatch_lines(["net.py::test_attack*FAILED*", "net.py::test_attack*FAILED*", "net.py::test_clean*"])


def test_the_first_failure_stops_the_run(run, folder):
    result = run(MODEL, HIGH, "-x")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["net (as-is), linf:0.15: 1 of 2 attacks were run, so there is no row"])
    assert not (folder / "leaderboard" / "results").exists()
    run(MODEL, HIGH, "--maxfail=2").assert_outcomes(passed=1, failed=2)


MODULES = """
import sys

def pytest_unconfigure():
    print("imported:", *sorted({"torch", "torchvision", "pandas", "PIL", "pkg"} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    "args",
    [
        ["--robust-model=pkg.mod:make(width=2)"],
        [
            "--robust-model=zoo:wideresnet-28-10",
            "--robust-attack=pgd:steps=5:restarts=2:surrogate=torchvision:resnet18",
        ],
        [MODEL, "--robust-data=npz:data.npz:classes=10", "--robust-threat=linf:0.1"],
        [MODEL, "--robust-data=imagefolder:pictures", "--robust-threat=linf:0.1"],
        [MODEL, "--robust-data=hf:tables:only=3+5", "--robust-threat=linf:0.1"],
        [MODEL, "--robust-certify=alpha-crown", "--robust-fail-under=certified@linf:0.15:60"],
        [MODEL, "--robust-data=cifar10", "--robust-train=trades,as-is", "--robust-fail-under=clean:80"],
        [MODEL, "--robust-data=data.py:load", "--robust-threat=linf:0.1", "--robust-attack=torchattacks:APGD"],
    ],
)
def test_collecting_imports_neither_torch_nor_the_users_code(pytester, models, args):
    (models / "pkg" / "mod.py").write_text("raise RuntimeError('not while collecting')")
    pytester.makepyfile(data="raise RuntimeError('not while collecting')")
    (models / "data.npz").touch()
    (models / "tables").mkdir()
    (models / "tables" / "test.parquet").touch()
    for name in ("cat", "dog"):
        (models / "pictures" / name).mkdir(parents=True)
    pytester.makeconftest(MODULES)

    result = pytester.runpytest_subprocess("--collect-only", "-q", *args)

    assert result.ret == 0
    result.stdout.re_match_lines([r".*::test_clean", r"imported:\s*$"])


def test_a_wrong_option_of_an_attack_is_refused_while_collecting_without_torch(pytester, models):
    pytester.makeconftest(MODULES)
    result = pytester.runpytest_subprocess("--collect-only", MODEL, "--robust-attack=pgd:stepz=3")

    assert result.ret == 4
    assert "no option 'stepz', did you mean 'steps'?" in result.stderr.str()
    result.stdout.re_match_lines([r"imported:\s*$"])


def test_junit_files_name_the_tests_and_hold_their_figures(run, folder):
    run(MODEL, "--junitxml=out.xml", "-o", "junit_family=xunit1")

    cases = ElementTree.parse(folder / "out.xml").findall(".//testcase")
    found = {case.get("name"): {p.get("name"): p.get("value") for p in case.iter("property")} for case in cases}
    assert list(found) == ["test_clean", "test_attack[fgsm-linf-0.15]", "test_attack[pgd-steps5-linf-0.15]"]
    assert list(found["test_clean"]) == ["robust.clean_percent"]
    figures = found["test_attack[fgsm-linf-0.15]"]
    assert float(figures["robust.low_percent"]) < float(figures["robust.robust_percent"])
    assert int(figures["robust.n"]) == 60
    assert {case.get("classname") for case in cases} == {"net"}
    assert {case.get("file") for case in cases} == {"net.py"}


def board(folder):
    return pd.read_csv(folder / "results.csv").drop(columns="seconds")


@pytest.mark.parametrize("mode", ["loadscope", "loadfile", "loadgroup", "worksteal", "each"])
def test_every_way_of_xdist_to_share_out_gives_the_same_table(run, models, mode):
    args = (MODEL, "--robust-model=weights.pt", ARCH)
    run(*args).assert_outcomes(passed=6)

    run(*args, "-n", "2", f"--dist={mode}", "--robust-leaderboard=shared").assert_outcomes(
        passed=12 if mode == "each" else 6
    )
    pd.testing.assert_frame_equal(board(models / "shared"), board(models / "leaderboard"))


def test_xdist_without_workers_is_an_ordinary_run(run):
    run(MODEL, "-p", "xdist", "-n", "0").assert_outcomes(passed=3)


STRICT = ("--strict-markers", "--strict-config")


@pytest.mark.parametrize(
    "args", [STRICT, pytest.param(("-o", "strict=true"), marks=NATIVE)], ids=["strict", "strict of pytest 9"]
)
def test_strict_runs_pass(run, pytester, args):
    pytester.makepyfile(
        test_own="import pytest\n\n@pytest.mark.robust(fail_under=1)\ndef test_own(robust_attack): robust_attack()"
    )

    run(*args, MODEL, "--robust-model=weights.pt", ARCH).assert_outcomes(passed=8)


@pytest.mark.parametrize(
    "args", [["-W", "error", "-W", "ignore::pytest.PytestAssertRewriteWarning"], ["-o", "filterwarnings=error"]]
)
def test_a_good_model_gives_no_warning(run, args):
    result = run(MODEL, *args, "--robust-attack=torchattacks:FGSM", "--robust-train=as-is,standard:epochs=1")

    result.assert_outcomes(passed=8)
    assert result.ret == 0


HOOKED = """
import pytest

@pytest.hookimpl(optionalhook=True)
def pytest_robust_attacks(attacks):
    attacks.append("pgd:steps=2")
"""


@pytest.mark.parametrize("conftest", ["", HOOKED])
def test_a_suite_runs_where_the_plugin_is_off(pytester, conftest):
    pytester.makeconftest(conftest)
    pytester.makepyfile(test_own="def test_own(): pass")

    pytester.runpytest_inprocess("-p", "no:robust").assert_outcomes(passed=1)


def test_a_folder_with_only_a_model_is_enough(run):
    result = run(MODEL)

    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.OK


@pytest.mark.parametrize("args", [[], ["test_own.py"], ["."], ["test_own.py::test_own"]])
def test_only_leaves_the_users_tests_out_however_they_are_named(node_ids, pytester, models, args):
    pytester.makepyfile(test_own="def test_own(): pass")

    assert node_ids(MODEL, "--robust-only", *args) == IDS["one model"][1]


@pytest.mark.parametrize(
    "ini",
    [
        "python_functions = check_*\npython_classes = Check*\npython_files = check_*.py",
        "addopts = --import-mode=importlib",
        "addopts = --doctest-modules",
        "addopts = --ignore=net.py --ignore-glob=*.py",
        "testpaths = pkg",
        "norecursedirs = *",
    ],
)
def test_what_the_users_collection_is_like_changes_nothing_for_ours(node_ids, pytester, models, ini):
    pytester.makeini(f"[pytest]\n{ini}")

    assert node_ids(MODEL) == IDS["one model"][1]
    assert node_ids(MODEL, "net.py::test_clean") == ["net.py::test_clean"]


def test_import_mode_importlib_runs_too(run):
    run(MODEL, "--import-mode=importlib").assert_outcomes(passed=3)


@pytest.mark.parametrize("off", ["cacheprovider", "junitxml", "logging", "unraisableexception", "faulthandler"])
def test_no_other_plugin_of_pytest_is_needed(node_ids, models, off):
    assert node_ids(MODEL, "-p", f"no:{off}") == IDS["one model"][1]


def test_it_runs_without_the_terminal_and_the_capture_of_pytest(run, folder):
    result = run(MODEL, "-p", "no:terminal", "-p", "no:capture")

    assert result.ret == pytest.ExitCode.OK
    assert (folder / "leaderboard" / "results.csv").exists()


def test_a_random_order_gives_the_same_table(run, pytester, folder):
    run(MODEL)
    pytester.makeconftest("def pytest_collection_modifyitems(items): items.reverse()")

    run(MODEL).stdout.fnmatch_lines(["leaderboard (1 measured the same as before):*"])
