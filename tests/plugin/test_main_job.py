import json
import sys

import pandas as pd
import pytest

from robust.records.evidence import Evidence
from robust.records.record import Record
from tests.forks import fork_pytest, fork_terminal
from tests.plugin.conftest import UNCHECKED

MODEL = "--robust-model=net.py:make"


def records(folder):
    return {path: Record.from_json(path.read_text()) for path in sorted((folder / "results").rglob("*.json"))}


def test_a_model_is_tested_beside_the_users_own_tests(run, pytester, folder):
    pytester.makepyfile(test_own="def test_own(): pass")

    result = run(MODEL, "-v")

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        [
            "robust: digits; linf:0.15; attacks fgsm, pgd:steps=5; seed 0",
            "test_own.py::test_own PASSED*",
            "net.py::test_clean PASSED*",
            "net.py::test_attack[[]fgsm-linf-0.15] PASSED*",
            "net.py::test_attack[[]pgd-steps5-linf-0.15] PASSED*",
            "*= robustness =*",
            "digits, linf:0.15, fgsm+pgd-steps5, n = 60",
            "rank  model   training  clean %  fgsm  pgd:steps=5  robust %*95 % interval",
            "   1  net     as-is   *",
            "leaderboard (1 new): leaderboard/index.html, leaderboard/README.md, *leaderboard/results.csv",
        ]
    )


def test_only_runs_nothing_else(run, pytester, folder):
    pytester.makepyfile(test_own="raise RuntimeError('collected')")

    run(MODEL, "--robust-only").assert_outcomes(passed=3)


def test_a_node_id_from_the_output_runs_that_test_alone(run):
    run(MODEL, "net.py::test_attack[fgsm-linf-0.15]").assert_outcomes(passed=1)


def test_keywords_and_marks_select(run):
    run(MODEL, "-k", "linf and fgsm").assert_outcomes(passed=1, deselected=2)
    run(MODEL, "-m", "not robust").assert_outcomes(deselected=3)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt"])
def test_weights_are_tested_in_their_architecture(run, name):
    result = run(f"--robust-model={name}", "--robust-arch=net.py:bare", "-v")

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines([f"{name}::test_clean PASSED*"])


def test_a_node_id_of_a_file_of_weights(run):
    given = ("--robust-model=weights.pt", "--robust-arch=net.py:bare")

    run(*given, "weights.pt::test_clean").assert_outcomes(passed=1)


def test_a_model_outside_the_root_folder(run, pytester, folder):
    inner = pytester.mkdir("project")
    (inner / "pytest.ini").write_text("[pytest]\n")

    result = run(f"--robust-model={folder / 'net.py'}:make", f"--rootdir={inner}", "--robust-only")

    result.assert_outcomes(passed=3)
    assert (inner / "leaderboard" / "results.csv").exists()


def test_two_models_are_two_rows(run, folder):
    result = run(MODEL, "--robust-model=weights.pt", "--robust-arch=net.py:bare")

    result.assert_outcomes(passed=6)
    table = pd.read_csv(folder / "leaderboard" / "results.csv")
    assert table[table.attack == "all"].model.tolist() == ["net", "weights"]


def test_the_record_holds_every_outcome_and_its_evidence(run, folder, weights):
    run(MODEL)

    ((path, record),) = records(folder / "leaderboard").items()
    evidence = Evidence.from_bytes(path.with_suffix(".npz").read_bytes())
    assert path.relative_to(folder / "leaderboard").parts[:4] == ("results", "digits", "linf-0.15", "fgsm+pgd-steps5")
    assert path.stem == f"net-as-is-{record.model.weights[:8]}"
    assert record.data.n == len(evidence.y) == 60
    assert len(evidence.row) == (record.correct & ~record.robust).sum()
    assert record.provenance["training"] is None

    def labels(x):
        return (x.reshape(len(x), -1) @ weights["1.weight"].numpy().T + weights["1.bias"].numpy()).argmax(1)

    assert (labels(evidence.x_adv) != evidence.y[evidence.row]).all()


def test_the_board_agrees_with_the_records(run, folder):
    run(MODEL)

    (record,) = records(folder / "leaderboard").values()
    table = pd.read_csv(folder / "leaderboard" / "results.csv")
    assert table.attack.tolist() == ["all", "fgsm", "pgd:steps=5"]
    assert table.robust_correct[0] == record.robust.sum()
    assert f"| {100 * record.robust.mean():.1f} |" in (folder / "leaderboard" / "README.md").read_text()


def test_a_second_run_merges_and_loses_nothing(run, folder):
    run(MODEL)
    before = {path: path.read_bytes() for path in (folder / "leaderboard").rglob("*.*") if path.is_file()}

    run(MODEL, "--robust-leaderboard=leaderboard").stdout.fnmatch_lines(
        ["leaderboard (1 measured the same as before):*"]
    )
    assert {path: path.read_bytes() for path in before} == before

    run(MODEL, "--robust-threat=linf:0.05,l2:0.5").assert_outcomes(passed=5)
    threats = pd.read_csv(folder / "leaderboard" / "results.csv").threat.unique()
    assert sorted(threats) == ["l2:0.5", "linf:0.05", "linf:0.15"]


def test_a_leaderboard_elsewhere_or_none(run, folder):
    run(MODEL, "--robust-leaderboard=none").stdout.no_fnmatch_line("leaderboard*")
    assert not (folder / "leaderboard").exists()

    run(MODEL, "--robust-leaderboard=a/b")
    assert (folder / "a" / "b" / "results.csv").exists()


def test_nothing_is_written_where_nothing_was_attacked(run, folder):
    run(MODEL, "-k", "clean").assert_outcomes(passed=1, deselected=2)

    assert not (folder / "leaderboard").exists()


def test_samples_and_seed_decide_what_is_measured(run, folder):
    for options in (("--robust-seed=1",), ("--robust-samples=50",)):
        run(MODEL, *options)
    measured = records(folder / "leaderboard").values()
    history = [Record.from_json(p.read_text()) for p in (folder / "leaderboard" / "history").rglob("*.json")]

    assert [record.data.n for record in measured] == [60]
    assert [record.data.n for record in history] == [50]


def test_one_draw_is_the_same_samples_under_any_seed(run, folder):
    rows = []
    for options in ((), ("--robust-seed=1", "--robust-draw=0"), ("--robust-draw=1",)):
        result = run(MODEL, *options, "--robust-attack=fgsm:restarts=2", f"--robust-leaderboard=board-{len(rows)}")
        rows += records(folder / f"board-{len(rows)}").values()
    first, attacked_again, drawn_again = rows

    assert attacked_again.data == first.data
    assert attacked_again.identity != first.identity
    assert drawn_again.data.digest != first.data.digest
    assert [(row.seed, row.draw) for row in rows] == [(0, None), (1, 0), (0, 1)]
    result.stdout.fnmatch_lines(["robust: *; seed 0; draw 1"])


def test_all_samples_are_the_same_as_their_number(run, pytester, folder):
    """The command line's `all` undoes the number of the ini file, too."""
    pytester.makeini("[pytest]\nrobust_samples = 50")
    args = (MODEL, UNCHECKED, "--robust-attack=fgsm")

    run(*args, "--robust-samples=599", fast=False)
    run(*args, "--robust-samples=all", fast=False).stdout.fnmatch_lines(
        ["digits, linf:0.15, fgsm, n = 599", "leaderboard (1 measured the same as before):*"]
    )


def test_the_ini_file_gives_what_the_command_line_does_not(run, pytester):
    pytester.makeini(
        """
        [pytest]
        robust_model = net.py:make
        robust_threat =
            linf:0.1
            l2:0.3
        robust_leaderboard = none
        robust_only = true
        """
    )
    result = run("--robust-threat=linf:0.2")

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["digits, linf:0.2,*"])


def test_attacks_of_torchattacks_are_named_by_their_word(run):
    result = run(MODEL, "--robust-attack=torchattacks:FGSM", "-v")

    result.stdout.fnmatch_lines(["net.py::test_attack[[]torchattacks-fgsm-linf-0.15] PASSED*"])


def test_the_architecture_is_trained_by_recipes_once(run, folder):
    train = "--robust-train=standard:epochs=2,as-is,pgd-at:epochs=1:steps=2"
    first = run(MODEL, train, "-v")

    first.assert_outcomes(passed=9)
    first.stdout.fnmatch_lines(
        [
            "net.py::test_attack[[]standard-epochs2-pgd-steps5-linf-0.15] PASSED*",
            "net.py::test_clean[[]as-is] PASSED*",
            "net.py::test_attack[[]pgd-at-epochs1-steps2-fgsm-linf-0.15] PASSED*",
            "trained by standard:epochs=2 in * s; on validation: clean *%: .robust/models/net-standard-epochs2-*",
            "trained by pgd-at:epochs=1:steps=2 in * s; on validation: clean *%, PGD-10 *%, quick-1 *% (on 32 *",
            "leaderboard (3 new): *",
        ],
        consecutive=False,
    )
    made = {path: path.stat().st_mtime_ns for path in (folder / ".robust" / "models").glob("*.safetensors")}
    assert len(made) == 2

    run(MODEL, train).stdout.fnmatch_lines(["leaderboard (3 measured the same as before): *"])
    assert {path: path.stat().st_mtime_ns for path in made} == made


def test_a_row_of_a_trained_model_says_how_it_was_trained(run, folder):
    run(MODEL, "--robust-train=pgd-at:epochs=1:steps=2")

    (record,) = records(folder / "leaderboard").values()
    (card,) = (json.loads(path.read_text()) for path in (folder / ".robust" / "models").glob("*.json"))
    training = record.provenance["training"]
    assert record.model.training == training["recipe"] == card["recipe"] == "pgd-at:epochs=1:steps=2"
    assert training["options"]["steps"] == 2
    assert training["data"]["split"] == "train"
    assert training["selected_by"]["digest"] == card["selected_by"]["digest"] != record.data.digest


def test_what_is_kept_for_ourselves_stays_out_of_version_control(run, folder):
    run(MODEL)

    assert (folder / ".robust" / ".gitignore").read_text().endswith("*\n")
    assert not list((folder / ".robust").rglob("*.npy"))


def test_parallel_workers_find_the_same_and_train_once(pytester, fork_run, folder):
    given = ("--robust-samples=60", "--robust-train=standard:epochs=2,as-is", "--robust-fresh=0", "--robust-gallery=0")
    options = (*given, MODEL, UNCHECKED)
    alone = pytester.runpytest_inprocess(*options)
    alone.assert_outcomes(passed=6)
    both = fork_run("-n", "2", *options, "--robust-leaderboard=parallel")  # with workers that are no forks

    both.assert_outcomes(passed=6)
    assert len([*(folder / ".robust" / "models").glob("*.safetensors")]) == 1
    board = pd.read_csv(folder / "leaderboard" / "results.csv").drop(columns="seconds")
    pd.testing.assert_frame_equal(pd.read_csv(folder / "parallel" / "results.csv").drop(columns="seconds"), board)


def test_the_model_fixture_can_be_replaced_in_conftest(run, pytester, folder):
    pytester.makeconftest(
        """
        import pytest
        from torch import nn

        @pytest.fixture(scope="module")
        def robust_model(robust_model):
            return nn.Sequential(robust_model, nn.Identity())
        """
    )
    run(MODEL).assert_outcomes(passed=3)

    (record,) = records(folder / "leaderboard").values()
    assert record.model.params == 650


def test_fixtures_skip_without_a_model(run, pytester):
    pytester.makepyfile("def test_mine(robust_model, robust_data): pass")
    result = pytester.runpytest_inprocess("-rs")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*needs --robust-model"])


def test_fixtures_give_the_users_tests_model_and_samples(run, pytester):
    pytester.makepyfile(
        test_mine="""
        import torch

        def test_mine(robust_model, robust_data):
            assert not robust_model.training
            logits = robust_model(torch.from_numpy(robust_data.x))
            assert (logits.argmax(1).numpy() == robust_data.y).mean() > 0.8
        """
    )
    run(MODEL, "test_mine.py", "--robust-leaderboard=none").assert_outcomes(passed=4)


def test_junit_properties_hold_the_figures(run, folder):
    run(MODEL, "--junitxml=out.xml", "-k", "fgsm")

    text = (folder / "out.xml").read_text()
    for name in ("robust_percent", "low_percent", "high_percent", "n"):
        assert f'name="robust.{name}"' in text


def test_two_models_with_the_same_weights_are_not_mixed_up(run, pytester, folder):
    other = pytester.mkdir("other")
    (other / "weights.safetensors").write_bytes((folder / "weights.safetensors").read_bytes())
    (other / "net.py").write_text(
        """
import torch
from pathlib import Path
from safetensors.torch import load_file

class Opposite(torch.nn.Module):
    def __init__(self):
        super().__init__()
        weights = load_file(Path(__file__).with_name("weights.safetensors"))
        self.inner = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        self.inner.load_state_dict(weights)
    def state_dict(self, *args, **kwargs):
        return self.inner.state_dict(*args, **kwargs)
    def forward(self, x):
        return -self.inner(x)
"""
    )
    run(MODEL, "--robust-model=other/net.py:Opposite").assert_outcomes(passed=6)

    rows = pd.read_csv(folder / "leaderboard" / "results.csv")
    assert rows[rows.attack == "all"].clean_percent.nunique() == 2


def test_a_row_whose_attacks_were_not_all_run_is_not_filed(pytester, fork_run, folder):
    pytester.makeconftest(
        """
        def pytest_runtest_call(item):
            if "pgd" in item.name:
                raise KeyboardInterrupt
        """
    )
    result = fork_run(MODEL, "--robust-samples=60", UNCHECKED)

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["net (as-is), linf:0.15: 1 of 2 attacks were run, so there is no row"])
    assert not (folder / "leaderboard" / "results").exists()


def test_a_finished_row_is_filed_though_the_run_was_interrupted(pytester, fork_run, folder):
    pytester.makeconftest(
        """
        def pytest_runtest_call(item):
            if "l2" in item.name:
                raise KeyboardInterrupt
        """
    )
    fork_run(MODEL, UNCHECKED, "--robust-samples=60", "--robust-threat=linf:0.15,l2:0.5")

    assert [record.threat for record in records(folder / "leaderboard").values()] == ["linf:0.15"]


def test_a_model_in_a_file_of_tests_keeps_them(run, folder):
    text = (folder / "net.py").read_text() + "\n\ndef test_mine(): pass\n"
    (folder / "test_net.py").write_text(text)

    run("--robust-model=test_net.py:make").assert_outcomes(passed=4)


def test_paths_in_the_ini_file_are_relative_to_it(run, pytester, folder, monkeypatch):
    pytester.makeini("[pytest]\nrobust_model = net.py:make\nrobust_leaderboard = board")
    monkeypatch.chdir(pytester.mkdir("sub"))

    run().assert_outcomes(passed=3)
    assert (folder / "board" / "results.csv").exists()


@pytest.mark.parametrize("ask", ["--help", "--markers"])
def test_a_broken_ini_file_does_not_keep_help_away(pytester, ask):
    pytester.makeini("[pytest]\nrobust_model = nope.py:make")

    assert pytester.runpytest_inprocess(ask).ret == 0


def test_training_that_fails_is_one_line(run):
    result = run(MODEL, "--robust-train=standard:epochs=8:lr=1e30", "-k", "clean")

    result.stdout.fnmatch_lines(["net.py:make, standard:epochs=8:lr=1e+30: training diverged: the loss became *"])
    result.stdout.no_fnmatch_line("*Error*")


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a thing of Unix")
def test_a_terminal_sees_the_progress_of_training(folder):
    with fork_terminal([MODEL, "--robust-train=pgd-at:epochs=3", "--robust-samples=20", UNCHECKED], folder) as terminal:
        terminal.expect("training pgd-at:epochs=3.*epoch ..3; clean .*, PGD-10 ")
        terminal.expect("3 passed")


def test_two_runs_at_once_train_once_and_lose_nothing(folder):
    train = ("--robust-train=standard:epochs=3", "--robust-samples=60", "--robust-fresh=0", UNCHECKED)
    with (folder / "out").open("w") as out:
        runs = [
            fork_pytest([MODEL, *train, f"--robust-threat={threat}"], folder, out, out)
            for threat in ("linf:0.1,l2:0.5", "linf:0.1,l1:2")
        ]
        assert [run.wait(120) for run in runs] == [0, 0]

    assert len([*(folder / ".robust" / "models").glob("*.safetensors")]) == 1
    rows = pd.read_csv(folder / "leaderboard" / "results.csv")
    assert sorted(rows[rows.attack == "all"].threat) == ["l1:2", "l2:0.5", "linf:0.1"]
