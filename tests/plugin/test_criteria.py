"""Runs by other criteria than class: values, several labels, and an attacker's goal, from the option to the page."""

import json
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from robust.cli import main
from robust.records.record import Record
from tests.plugin.conftest import UNCHECKED

pytestmark = pytest.mark.usefixtures("exporting", "folder")

MODELS = """
import numpy as np
import torch
from torch import nn

def load(split):
    rng = np.random.default_rng(0 if split == "test" else 1)
    x = rng.random((120, 6)).astype("float32")
    return x, 10 * x[:, :1] + 5 * x[:, 1:2] + rng.normal(size=(120, 1)) / 2

def bits(split):
    x, _ = load(split)
    y = (x[:, :3] > 0.5).astype(int)
    y[::10, 2] = -1
    return x, y

def linear(rows, scale=1.0, shift=0.0):
    net = nn.Linear(6, len(rows))
    net.weight.data = scale * torch.tensor(rows, dtype=torch.float32)
    net.bias.data.fill_(shift)
    return net

def make():
    return linear([[10, 5, 0, 0, 0, 0]])

def scaled():
    return linear([[10, 5, 0, 0, 0, 0]], 0.25, -2.0)

def constant():
    return linear([[0, 0, 0, 0, 0, 1e-6]], 1.0, 7.5)

def several():
    return linear([[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]], 1.0, -0.5)

def shares():
    return nn.Sequential(several(), nn.Sigmoid())

def fitted():
    from sklearn.linear_model import LinearRegression
    found = LinearRegression().fit(np.eye(6), np.eye(6) @ [10, 5, 0, 0, 0, 0])
    found.coef_, found.intercept_ = np.array([10.0, 5, 0, 0, 0, 0]), 0.0
    return found

def tagger():
    return lambda x: x[:, :3] - 0.5
"""
VALUES = ("--robust-data=task.py:load", "--robust-threat=linf:0.1", "--robust-criterion=within:2")
LABELS = ("--robust-data=task.py:bits", "--robust-threat=linf:0.1", "--robust-criterion=labels")
QUICK = ("--robust-suite=quick-1", "--robust-fresh=4")


@pytest.fixture
def run(pytester, folder):
    (folder / "task.py").write_text(MODELS)
    return lambda *options: pytester.runpytest_inprocess(*options)


def read_row(folder):
    (path,) = (folder / "leaderboard" / "results").rglob("*.json")
    return path, Record.from_json(path.read_text())


def test_a_regressor_from_the_option_to_the_page(run, folder):
    """Compare with the truth, known of a linear model: how far each answer can be moved is 0.1 * 15, the box aside."""
    result = run("--robust-model=task.py:make", *VALUES, *QUICK, "--junitxml=junit.xml", "--robust-fail-under=10")

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["task, linf:0.1, within:2, quick-1, n = 120", "Mean error: *"])
    path, row = read_row(folder)
    assert row.criterion == json.loads(path.read_text())["criterion"] == {"name": "within:2"}
    assert path.parts[-4] == "task-within_2"
    assert (row.verdict, row.trust.has("constant"), row.trust.has("units")) == ("trusted", False, False)
    assert row.worst_score.shape == row.score.shape == (120,)
    assert (row.worst_score >= row.score).all()
    assert ((row.worst_score > 2) == ~row.robust).all()
    assert row.worst_score.mean() - row.score.mean() == pytest.approx(1.5, abs=0.3)
    table = pd.read_csv(folder / "leaderboard" / "leaderboard.csv").iloc[0]
    assert (table.criterion, table.score) == ("within:2", "error")
    assert table.clean_score_low < table.clean_score < table.clean_score_high < table.attacked_score
    assert table.attacked_score == pytest.approx(row.worst_score.mean(), abs=1e-3)
    noted = {each.get("name"): each.get("value") for each in ElementTree.parse("junit.xml").iter("property")}
    assert float(noted["robust.mean_error"]) == pytest.approx(row.worst_score.mean(), abs=1e-3)
    assert float(noted["robust.clean_mean_error"]) == pytest.approx(row.score.mean(), abs=1e-3)
    assert "within:2" in (folder / "leaderboard" / "index.html").read_text()


@pytest.mark.parametrize(("limit", "status"), [("9", "passed"), ("0.5", "failed")])
def test_a_limit_of_the_mean_error_is_an_upper_one(run, limit, status):
    result = run("--robust-model=task.py:make", *VALUES, UNCHECKED, "--robust-attack=pgd:steps=5", "-k", "attack",
                 f"--robust-fail-under=mean@linf:0.1:{limit}", "--robust-leaderboard=none")  # fmt: skip

    result.assert_outcomes(**{status: 1})
    if status == "failed":
        result.stdout.fnmatch_lines(["mean error * for pgd:steps=5 under linf:0.1 is above the required 0.5"])


@pytest.mark.parametrize(("model", "finding"), [("scaled", "units"), ("constant", "constant")])
def test_a_regressor_in_other_units_and_a_constant_one_are_not_attacked(run, model, finding):
    result = run(f"--robust-model=task.py:{model}", *VALUES, *QUICK, "-k", "preflight or suite")

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines([f"*{finding}: the *"])
    result.stdout.fnmatch_lines([f"not attacked, since no figure could mean anything: {finding}: *"])


@pytest.mark.parametrize("model", ["several", "shares"])
def test_several_labels_are_attacked_and_certified_exactly(run, folder, model):
    result = run(f"--robust-model=task.py:{model}", *LABELS, UNCHECKED, *QUICK, "--robust-certify=crown",
                 "--robust-fail-under=certified:40,mean:60")  # fmt: skip

    result.assert_outcomes(passed=3)
    _, row = read_row(folder)
    assert row.criterion == {"name": "labels"}
    truth = np.array([min(abs(value - 0.5) for value in values) > 0.1 for values in _known(folder)])
    near = np.array([min(abs(abs(value - 0.5) - 0.1) for value in values) < 1e-4 for values in _known(folder)])
    assert (row.robust == truth)[~near].all()
    assert (row.certificate.certified <= row.robust).all()
    assert (row.certificate.certified == truth)[~near].mean() > 0.97


@pytest.mark.parametrize("model", ["several", "shares"])
def test_the_curve_of_several_labels_is_exact_and_can_be_checked(run, folder, model):
    result = run(f"--robust-model=task.py:{model}", *LABELS, UNCHECKED, "--robust-attack=fgsm", "-k", "fgsm or curve",
                 "--robust-curve=0.3", "--robust-certify=crown", "--robust-fail-under=robust@linf:0.2:10")  # fmt: skip

    result.assert_outcomes(passed=2)
    path, row = read_row(folder)
    truth = np.array([min(abs(value - 0.5) for value in values) for values in _known(folder)])
    found = np.where(np.isinf(row.curve.distance), 0.3, row.curve.distance)
    np.testing.assert_allclose(found, truth.clip(max=0.3), rtol=1e-3, atol=1e-4)
    assert (row.curve.proved.radius <= row.curve.distance).all()
    assert main(["verify", str(path), "--data=task.py:bits", f"--model=task.py:{model}"]) == 0


def _known(folder):
    """Return the values that decide each sample of `bits`: those of its labels that are known."""
    x = np.random.default_rng(0).random((120, 6)).astype("float32")
    return [values[:2] if k % 10 == 0 else values for k, values in enumerate(x[:, :3])]


def test_a_goal_attacks_a_class_and_counts_one_answer(run, folder):
    few = ("--robust-model=net.py:make", UNCHECKED, "--robust-attack=pgd:steps=10", "--robust-threat=linf:0.1")
    result = run(*few, "--robust-goal=3->8")

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["digits:attacked=3, linf:0.1, goal:8, pgd-steps10, n = *"])
    _, aimed = read_row(folder)
    run(*few, "--robust-attacked=3", "--robust-leaderboard=other")
    (path,) = (folder / "other" / "results").rglob("*.json")
    free = Record.from_json(path.read_text())
    assert aimed.data.n == free.data.n > 40
    assert (aimed.robust >= free.robust).all()
    assert aimed.robust.sum() > free.robust.sum()


def test_rows_of_two_criteria_are_two_boards_and_no_baseline_of_each_other(run, folder):
    few = ("--robust-model=task.py:make", *VALUES[:2], UNCHECKED, "--robust-attack=fgsm")
    run(*few, "--robust-criterion=within:2", "--robust-save=two")
    run(*few, "--robust-criterion=within:20%")
    assert len([*(folder / "leaderboard" / "results").rglob("*.json")]) == 2
    assert (folder / "leaderboard" / "README.md").read_text().count("## task, ") == 2

    result = run(*few, "--robust-criterion=within:20%", "--robust-compare=latest")
    result.stderr.fnmatch_lines(["*judged by the criterion*"])


def test_a_baseline_compares_mean_scores_where_a_margin_asks_for_it(run, folder):
    """A criterion that both models keep says nothing of errors that have grown."""
    few = ("--robust-only", "--robust-model=task.py:make", *VALUES[:2], UNCHECKED, "--robust-attack=pgd:steps=5",
           "--robust-criterion=within:8", "--robust-leaderboard=none")  # fmt: skip
    compared = (*few, "--robust-compare=latest", "--robust-compare-fail=robust_acc:0pp,mean:+1")
    first = run(*few, "--robust-save=main")
    first.stderr.fnmatch_lines(["task, pgd:steps=5, worst scores: 120 samples, 5 steps of each, at most about *"])
    same = run(*compared)
    same.assert_outcomes(passed=4)
    same.stdout.fnmatch_lines(["compared with 0001_main: *mean score under attack * 0 worse, 0 better, p = 1"])

    changed = MODELS.replace("linear([[10, 5, 0, 0, 0, 0]])", "linear([[10, 5, 8, -8, 0, 0]])")
    (folder / "task.py").write_text(changed)
    worse = run(*compared, "-k", "regression and mean")
    worse.assert_outcomes(failed=1)
    told = "mean score under attack * to *, +* (95 % interval *), * worse, * better, p = *: more than mean:+1 allows *"
    worse.stdout.fnmatch_lines(["*test_regression[[]mean-linf-0.1[]]*", told, "worse: samples *", "repeat: pytest *"])


@pytest.mark.parametrize(
    ("margin", "criterion", "told"),
    [
        ("mean:-1", "within:2", "the mean of error by within:2 gets worse as it rises; write mean:+1"),
        ("mean:+1pp", "within:2", "expected how much worse the mean score may be, in its units, as mean:+2, got +1pp"),
    ],
)
def test_a_margin_that_is_not_for_the_criterion_is_refused_in_one_line(run, margin, criterion, told):
    result = run("--robust-model=task.py:make", *VALUES[:2], f"--robust-criterion={criterion}",
                 "--robust-compare=auto", f"--robust-compare-fail={margin}")  # fmt: skip

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --robust-compare-fail={margin}: {told}"])


@pytest.mark.parametrize(
    ("model", "options", "within"),
    [
        ("blackbox:task.py:fitted", VALUES, 0.05),
        ("ensemble:task.py:make,task.py:make", VALUES, 0.02),
        ("blackbox:task.py:tagger", LABELS, 0.05),
        ("ensemble:task.py:several,task.py:several", LABELS, 0.02),
    ],
)
def test_what_only_answers_and_ensembles_are_attacked_as_the_linear_model_that_they_are(
    run, folder, model, options, within
):
    how = "--robust-attack=square:steps=200" if "blackbox" in model else "--robust-suite=quick-1"
    result = run(f"--robust-model={model}", *options, how, "--robust-verdict=none")

    result.assert_outcomes(passed=2)
    _, row = read_row(folder)
    truth = _robust_values(folder) if options is VALUES else _robust_labels(folder)
    assert (row.robust >= truth).mean() > 0.98  # what no input can break is not broken, but for rounding
    assert row.robust.mean() == pytest.approx(truth.mean(), abs=within)
    assert row.worst_score is not None


def _robust_values(folder):
    """Return which samples of `load` no input breaks: each can be moved by up to 0.1 in two features, inside [0, 1]."""
    rng = np.random.default_rng(0)
    x = rng.random((120, 6)).astype("float32")
    y = 10 * x[:, 0] + 5 * x[:, 1] + rng.normal(size=120) / 2
    ends = [np.clip(x + by, 0, 1) for by in (-0.1, 0.1)]
    return np.max([abs(10 * end[:, 0] + 5 * end[:, 1] - y) for end in ends], 0) <= 2


def _robust_labels(folder):
    return np.array([min(abs(value - 0.5) for value in values) > 0.1 for values in _known(folder)])


@pytest.mark.slow
def test_workers_measure_the_same(run, folder):
    """Scores and labels that are not known go from process to process."""
    few = ("--robust-model=task.py:make", *VALUES, UNCHECKED, "--robust-attack=fgsm,pgd:steps=5")
    run(*few)
    _, alone = read_row(folder)
    run(*few, "-n2", "--robust-leaderboard=other")
    (path,) = (folder / "other" / "results").rglob("*.json")

    assert Record.from_json(path.read_text()).same_outcomes(alone)


def test_a_recipe_trains_on_values(run, folder):
    result = run("--robust-model=zoo:mlp", "--robust-train=pgd-at:epochs=8", *VALUES, UNCHECKED, "--robust-attack=pgd")

    result.assert_outcomes(passed=2)
    _, row = read_row(folder)
    assert row.correct.mean() > 0.6
    assert row.score.mean() < 2
