"""Architectures of the zoo and of torchvision: trained, tested under ids of their own, and filled with weights."""

import json

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from robust.attacks.rng import seeded
from robust.models.registry import ARCHITECTURES
from robust.models.weights import hash_weights

MLP = "--robust-model=zoo:mlp(width=16, depth=1)"
CNN = "--robust-model=zoo:cnn(width=2)"
TRAIN = "--robust-train=standard:epochs=2"
HIGH = "--robust-fail-under=99"
MLP_IDS = [
    "zoo:mlp-width16-depth1::test_clean",
    "zoo:mlp-width16-depth1::test_attack[fgsm-linf-0.15]",
    "zoo:mlp-width16-depth1::test_attack[pgd-linf-0.15]",
]
CNN_IDS = [word.replace("mlp-width16-depth1", "cnn-width2") for word in MLP_IDS]


def board(folder):
    return pd.read_csv(folder / "leaderboard" / "results.csv").query("attack == 'all'")


def test_architectures_are_trained_and_tested(run, folder):
    run(MLP, CNN, TRAIN).assert_outcomes(passed=6)

    assert {*board(folder).model} == {"mlp-width16-depth1", "cnn-width2"}
    assert {*board(folder).training} == {"standard:epochs=2"}
    assert board(folder).set_index("model").clean_percent["mlp-width16-depth1"] > 50


def test_what_was_trained_is_not_trained_again(run, folder):
    run(MLP, TRAIN)
    (weights,) = (folder / ".robust" / "models").glob("mlp-width16-depth1-*.safetensors")
    before = weights.stat().st_mtime_ns
    run(MLP, TRAIN)

    assert weights.stat().st_mtime_ns == before
    assert json.loads(weights.with_suffix(".json").read_text())["source"] is None


def test_torchvision_is_trained_by_name(run, folder):
    """The images are grey, and are shown to it in colour."""
    model = "--robust-model=torchvision:shufflenet_v2_x0_5"
    run(model, "--robust-train=standard:epochs=1:batch=1000", "--robust-samples=10").assert_outcomes(passed=3)

    assert [*board(folder).model] == ["shufflenet_v2_x0_5"]


@pytest.mark.parametrize("seed", [0, 3])
def test_untrained_weights_are_those_of_the_seed(run, folder, seed):
    run(MLP, f"--robust-seed={seed}")
    with seeded(seed):
        module = ARCHITECTURES.get("mlp")((1, 8, 8), 10, width=16, depth=1)

    (record,) = (folder / "leaderboard" / "results").rglob("*.json")
    assert json.loads(record.read_text())["model"]["weights"] == hash_weights(module)


def test_a_run_leaves_the_global_random_stream_as_it_was(run, pytester):
    pytester.makepyfile(test_own="import torch\n\ndef test_own(): assert torch.initial_seed() == 5")
    torch.manual_seed(5)
    state = torch.get_rng_state()
    run(MLP, CNN, "--robust-train=standard:epochs=1").assert_outcomes(passed=7)

    assert torch.equal(torch.get_rng_state(), state)


def test_weights_fill_an_architecture_of_the_zoo(run, folder):
    save_file(ARCHITECTURES.get("cnn")((1, 8, 8), 10, width=2).state_dict(), folder / "mine.safetensors")

    run("--robust-model=mine.safetensors", "--robust-arch=zoo:cnn(width=2)").assert_outcomes(passed=3)
    result = run("--robust-model=mine.safetensors", "--robust-arch=zoo:cnn")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*weights do not fit: 7 of another shape*; the architecture is --robust-arch=zoo:cnn"])


@pytest.mark.parametrize("named", [MLP_IDS[:1], [MLP_IDS[0], CNN_IDS[2]], MLP_IDS])
def test_what_the_command_line_names_is_all_that_is_run(node_ids, folder, named):
    assert node_ids(MLP, CNN, *named) == named


def test_a_word_or_a_test_without_brackets_names_all_of_it(node_ids, folder):
    assert node_ids(MLP, CNN, "zoo:cnn-width2") == CNN_IDS
    assert node_ids(MLP, CNN, "zoo:cnn-width2", CNN_IDS[0]) == CNN_IDS
    assert node_ids(MLP, CNN, "zoo:cnn-width2::test_attack") == CNN_IDS[1:]


def test_files_and_architectures_are_named_side_by_side(node_ids, pytester, folder):
    pytester.makepyfile(test_own="def test_own(): pass")
    model = "--robust-model=net.py:make"

    assert node_ids(MLP, model, "net.py::test_clean") == ["net.py::test_clean"]
    assert node_ids(MLP, model, "net.py::test_clean", MLP_IDS[0]) == ["net.py::test_clean", MLP_IDS[0]]
    assert node_ids(MLP, "test_own.py", MLP_IDS[0]) == ["test_own.py::test_own", MLP_IDS[0]]
    assert node_ids(MLP, "--robust-only", "test_own.py") == MLP_IDS


def test_an_id_of_a_model_that_is_not_given_is_no_file(pytester, folder):
    result = pytester.runpytest_inprocess(MLP, CNN_IDS[0])

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: file or directory not found: zoo:cnn-width2::test_clean"])


def test_keywords_and_deselect_know_the_word(node_ids, folder):
    assert node_ids(MLP, CNN, "-k", "cnn and pgd") == CNN_IDS[2:]
    assert node_ids(MLP, CNN, "-k", "zoo:mlp") == MLP_IDS
    assert node_ids(MLP, f"--deselect={MLP_IDS[0]}") == MLP_IDS[1:]
    assert node_ids(MLP, CNN, "--deselect=zoo:cnn-width2") == MLP_IDS


@pytest.mark.parametrize("args", [[], ["."], ["test_own.py", "zoo:mlp-width16-depth1", "zoo:cnn-width2"]])
def test_last_failed_runs_what_failed_beside_a_test_of_the_users(run, pytester, args):
    pytester.mkdir("sub").joinpath("test_sub.py").write_text("def test_sub(): pass")
    pytester.makepyfile(test_own="def test_own(): assert 0")
    run(MLP, CNN, TRAIN, HIGH, *args)
    failed = pytester.path / ".pytest_cache" / "v" / "cache" / "lastfailed"
    before = json.loads(failed.read_text())

    again = run(MLP, CNN, TRAIN, HIGH, "--lf", *args)

    assert len(before) == 5
    assert {key: n for key, n in again.parseoutcomes().items() if key != "deselected"} == {"failed": 5}
    assert json.loads(failed.read_text()) == before


def test_the_conftest_of_the_root_folder_is_heard(run, pytester):
    pytester.makeconftest("def pytest_runtest_setup(item): print('set up', item.nodeid)")

    run(MLP, "-s", "--robust-attack=fgsm").stdout.fnmatch_lines([f"*set up {MLP_IDS[0]}"])


def test_the_command_that_repeats_a_failure_names_the_architecture(run):
    result = run(MLP, TRAIN, HIGH)

    result.stdout.fnmatch_lines(
        ["repeat: pytest *'--robust-model=zoo:mlp(width=16, depth=1)'* 'zoo:mlp-width16-depth1::test_attack*"]
    )


def test_a_test_of_the_users_is_run_with_every_architecture(node_ids, pytester, folder):
    pytester.makepyfile(test_own="def test_own(robust_model): pass")

    assert node_ids(MLP, "--robust-model=net.py:make", "test_own.py")[:2] == [
        "test_own.py::test_own[mlp-width16-depth1]",
        "test_own.py::test_own[net]",
    ]


def test_the_hook_for_files_is_not_asked(run, pytester):
    pytester.makeconftest("def pytest_robust_load_model(path): raise AssertionError(path)")

    run(MLP).assert_outcomes(passed=3)


def test_xdist_gives_the_same_table(run, folder):
    run(MLP, CNN, TRAIN).assert_outcomes(passed=6)
    before = board(folder).drop(columns="seconds")

    run(MLP, CNN, TRAIN, "-n2").assert_outcomes(passed=6)
    run(MLP, CNN, "-n2", CNN_IDS[0]).assert_outcomes(passed=1)
    pd.testing.assert_frame_equal(board(folder).drop(columns="seconds"), before)
