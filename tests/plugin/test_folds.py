"""--robust-folds: each recipe on each fold of the training split, from the option to the row of all folds."""

import shutil

import pandas as pd
import pytest

from robust.cli import main
from robust.records.record import Record
from tests.plugin.conftest import UNCHECKED

DATA = """
import numpy as np
from robust.data.sets.digits import read

def load(split):
    assert split == "train", "the test split was read"
    x, y = read("train")
    return x[:240], y[:240]
"""
RECIPE = "standard:epochs=2:lr=0.5"
RUN = ("--robust-model=net.py:bare", "--robust-only", "--robust-data=data.py:load", "--robust-threat=linf:0.05",
       f"--robust-train={RECIPE}", "--robust-folds=2", "--robust-attack=fgsm", UNCHECKED)  # fmt: skip


@pytest.fixture
def data(folder, pytester):
    pytester.makepyfile(data=DATA)
    return folder


def records(folder):
    return [Record.from_json(path.read_text()) for path in sorted((folder / "leaderboard" / "results").rglob("*.json"))]


@pytest.mark.parametrize(
    "workers",
    [pytest.param([], id="alone"), pytest.param(["-n2"], id="on two workers", marks=pytest.mark.slow)],
)
def test_each_fold_is_a_row_and_all_are_one_in_the_table(pytester, data, workers):
    result = pytester.runpytest_inprocess(*RUN, "--robust-fail-under=clean:99,fgsm:1", *workers)

    result.assert_outcomes(passed=4)
    assert result.ret == 1
    told = [f"net-bare ({RECIPE}), 2 folds: clean *(sd *", "FAILED net-bare *, 2 folds: clean accuracy * is below *"]
    result.stdout.fnmatch_lines(["data:folds=2, linf:0.05, fgsm, n = 240", *told])
    result.stdout.no_fnmatch_line("FAILED*robust accuracy*")
    rows = records(data)
    assert [row.data.name for row in rows] == ["data:fold=1of2", "data:fold=2of2"]
    assert [row.data.n for row in rows] == [120, 120]
    assert rows[0].model.weights != rows[1].model.weights
    (line,) = pd.read_csv(data / "leaderboard" / "leaderboard.csv").itertuples()
    assert (line.data, line.n, line.folds) == ("data:folds=2", 240, 2)
    assert line.robust_correct == sum(int(row.robust.sum()) for row in rows) > 0


def test_the_folds_are_trained_once_and_each_row_can_be_checked(pytester, data, capsys):
    pytester.runpytest_inprocess(*RUN).assert_outcomes(passed=4)
    trained = {path: path.stat().st_mtime_ns for path in (data / ".robust" / "models").glob("*.safetensors")}
    shutil.rmtree(data / "leaderboard")
    pytester.runpytest_inprocess(*RUN, "-k", "fold2").assert_outcomes(passed=2)

    assert len(trained) == 2
    assert trained == {path: path.stat().st_mtime_ns for path in trained}
    (path,) = (data / "leaderboard" / "results").rglob("*.json")
    assert main(["verify", str(path), "--data=data.py:load:fold=2of2", "--arch=net.py:bare"]) == 0
    assert "verified" in capsys.readouterr().out


def test_a_fold_that_was_not_measured_shows_no_floor(pytester, data):
    result = pytester.runpytest_inprocess(*RUN, "--robust-fail-under=clean:1", "-k", "fold2")

    assert result.ret == 1
    result.stdout.fnmatch_lines(["FAILED net-bare *, 1 of 2 folds: the others were not measured, *"])


def test_the_users_own_test_sees_the_samples_of_each_fold(pytester, data):
    pytester.makepyfile(
        test_mine="def test_mine(robust_model, robust_data, robust_attack):\n"
        "    assert len(robust_data) == 120\n"
        "    assert robust_attack('fgsm').n == 120\n"
        "    with open('seen', 'a') as file:\n"
        "        file.write(robust_data.digest + '\\n')\n"
    )
    words = [word for word in RUN if word != "--robust-only"]
    pytester.runpytest_inprocess(*words, "test_mine.py").assert_outcomes(passed=6)

    assert len({*(data / "seen").read_text().split()}) == 2


def read_rows(folder):
    table = pd.read_csv(folder / "leaderboard" / "leaderboard.csv", keep_default_na=False)
    return [(row.model, row.n, row.folds, row.partial) for row in table.itertuples()]


def test_folds_of_two_models_of_one_name_are_two_rows(pytester, data):
    for name, width in (("a", 8), ("b", 24)):
        pytester.mkdir(name).joinpath("net.py").write_text(
            "from torch import nn\n"
            "def make(): return nn.Sequential(\n"
            f"    nn.Flatten(), nn.Linear(64, {width}), nn.ReLU(), nn.Linear({width}, 10))\n"
        )
    both = [f"--robust-model={name}/net.py:make" for name in "ab"]
    pytester.runpytest_inprocess(*both, *RUN[1:], "-k", "clean or attack").assert_outcomes(passed=8)

    assert sorted(read_rows(data)) == [("net", 240, 2, ""), ("net", 240, 2, "")]


def test_folds_of_a_model_that_was_changed_are_not_mixed_with_the_earlier_ones(pytester, data):
    pytester.runpytest_inprocess(*RUN).assert_outcomes(passed=4)
    path = data / "net.py"
    path.write_text(
        path.read_text() + "\ndef bare(): return nn.Sequential(nn.Flatten(), nn.Tanh(), nn.Linear(64, 10))\n"
    )
    pytester.runpytest_inprocess(*RUN, "-k", "fold2", "--robust-samples=60").assert_outcomes(passed=2)

    assert sorted(read_rows(data)) == [("net-bare", 60, 1, "missing folds"), ("net-bare", 240, 2, "")]


def test_some_classes_alone_are_attacked_in_each_fold(pytester, data):
    result = pytester.runpytest_inprocess(*RUN, "--robust-attacked=3")

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["data:folds=2:attacked=3, linf:0.05, fgsm, n = *"])


def test_the_weakest_class_is_of_all_folds_where_each_has_too_few_samples(pytester, data):
    result = pytester.runpytest_inprocess(*RUN, "--robust-samples=80", "--robust-fail-under=worst-class:99")

    assert result.ret == 1
    result.stdout.fnmatch_lines(["FAILED net-bare *, fgsm, 2 folds: *class * is below the required 99 %*"])
    result.stdout.no_fnmatch_line("*nothing shows*")
