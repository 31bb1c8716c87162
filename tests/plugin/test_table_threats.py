"""Tables through the plugin: one run from the file to the row, with missing values, and each mistake as one line."""

import json

import numpy as np
import pytest

from robust.cli import main
from tests.plugin.test_main_job import records

TABLE = """
eps = 0.1
relations = ["spent <= income"]
[groups]
job = ["job=no", "job=yes"]
[features]
age = {lo = 18, hi = 90, type = "integer", fixed = true}
visits = {lo = 0, hi = 40, type = "integer", monotone = "increasing"}
income = {lo = 0, hi = 5000}
spent = {lo = 0, hi = 5000}
"job=no" = {type = "category"}
"job=yes" = {type = "category"}
"""
DATA = """
import numpy as np
import pandas as pd

NAMES = ["age", "visits", "income", "spent", "job=no", "job=yes"]

def load(split):
    rng = np.random.default_rng(split == "test")
    n = 60
    income = rng.uniform(500, 4500, n)
    spent = income * rng.uniform(0.3, 1, n)
    visits, age, job = rng.integers(0, 30, n), rng.integers(18, 90, n), rng.integers(0, 2, n)
    x = np.column_stack([age, visits, income, spent, 1 - job, job]).astype(float)
    y = (spent / income + visits / 60 + 0.2 * job > 0.95).astype(int)
    x[:3, 2] = np.nan
    return pd.DataFrame(x, columns=NAMES), y

def unnamed(split):
    x, y = load(split)
    return x.to_numpy()[:, :5], y

def renamed(split):
    x, y = load(split)
    return x.rename(columns={"spent": "expense"}), y

def swapped(split):
    x, y = load(split)
    return x[["visits", "age", *NAMES[2:]]], y

def images(split):
    x, y = load(split)
    return np.zeros((60, 2, 3)), y
"""
NETS = """
import torch
from torch import nn
from sklearn.ensemble import HistGradientBoostingClassifier
from table_data import load

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        x, y = load("train")
        x = torch.tensor(x.to_numpy(), dtype=torch.float32)
        self.register_buffer("mean", x.nanmean(0).round(decimals=1))
        self.register_buffer("std", (x - self.mean).nan_to_num(0.0).std(0).round(decimals=1))
        self.linear = nn.Linear(6, 2)

    def forward(self, x):
        return self.linear(((x - self.mean) / self.std).nan_to_num(0.0))

def make():
    net = Net()
    x, y = load("train")
    z = ((torch.tensor(x.to_numpy(), dtype=torch.float32) - net.mean) / net.std).nan_to_num(0.0)
    z = torch.cat([z, torch.ones(len(z), 1)], 1)
    w = torch.linalg.lstsq(z.T @ z + 0.1 * torch.eye(7), z.T @ (2.0 * torch.tensor(y) - 1)).solution.round(decimals=2)
    with torch.no_grad():
        net.linear.weight.copy_(torch.stack([-w[:6], w[:6]]))
        net.linear.bias.copy_(torch.stack([-w[6], w[6]]))
    return net

def boosted():
    x, y = load("train")
    return HistGradientBoostingClassifier(max_iter=10, min_samples_leaf=5).fit(x.to_numpy(), y)
"""


@pytest.fixture
def table(pytester, monkeypatch):
    """A folder with the table's file, its data and two models."""
    (pytester.path / "spent.toml").write_text(TABLE)
    (pytester.path / "table_data.py").write_text(DATA)
    (pytester.path / "table_nets.py").write_text(NETS)
    monkeypatch.syspath_prepend(pytester.path)

    def run(*args, model="table_nets.py:make", data="table_data.py:load", threat="features:spent.toml"):
        options = [f"--robust-data={data}", f"--robust-threat={threat}", f"--robust-model={model}", "--robust-only"]
        return pytester.runpytest_inprocess(*options, *args)

    run.folder = pytester.path
    return run


def test_a_table_goes_from_its_file_to_a_row_that_can_be_verified(table, monkeypatch, capsys):
    result = table("--robust-suite=quick-1", "--robust-fail-under=features:spent.toml:0")
    result.assert_outcomes(passed=4)
    (record,) = records(table.folder / "leaderboard").values()
    (path,) = (table.folder / "leaderboard").rglob("table_nets-*.npz")
    evidence = np.load(path)

    assert record.threat.startswith("features:spent-")
    assert json.loads(record.tables[record.threat])["relations"] == ["spent <= income"]
    assert {part.feature for part in record.moved} <= {"visits", "income", "spent", "job"}
    assert record.moved[0].n <= record.moved[0].of == len(evidence["row"])
    assert [stage.attack for stage in record.attacks[0].stages] == [
        "capgd:steps=20",
        "frankwolfe:steps=6",
        "evolve:steps=200",
    ]
    result.stdout.fnmatch_lines(["*what its adversarial rows moved most, in the features' units", "feature *way*"])
    assert "moved most" in (table.folder / "leaderboard" / "README.md").read_text()
    assert "features that the adversarial rows moved most" in (table.folder / "leaderboard" / "index.html").read_text()
    monkeypatch.chdir(table.folder)
    words = ["verify", "table_nets", "--model=table_nets.py:make", "--data=table_data.py:load"]
    assert main(words) == 0
    changed = path.with_suffix(".json")
    changed.write_text(changed.read_text().replace('"hi": 5000', '"hi": 6000'))
    assert main(words) == 1
    assert "has another content" in capsys.readouterr().out


def test_boosted_trees_are_searched_by_queries_under_the_same_constraints(table):
    result = table("--robust-suite=quick-1", "--robust-verdict=none", model="blackbox:table_nets.py:boosted")
    result.assert_outcomes(passed=2)
    (record,) = records(table.folder / "leaderboard").values()

    assert [stage.attack for stage in record.attacks[0].stages] == ["evolve:steps=200"]
    assert record.attacks[0].backwards == 0
    assert any("no gradient reaches the inputs" in note for note in record.provenance["notes"])


# By name: changes of the run, and what the line says.
WRONG = {
    "no file": ({"threat": "features:nope.toml"}, "*--robust-threat=features:nope.toml: no such file (looked for *"),
    "other columns": ({"data": "table_data.py:renamed"}, "*has the column 'expense', which the file does not name*"),
    "other order": ({"data": "table_data.py:swapped"}, "*column 1 of * is 'visits' and the file's 'age'; give the*"),
    "too few columns": ({"data": "table_data.py:unnamed"}, "*the file names 6 features, and * has 5; give each*"),
    "no rows": ({"data": "table_data.py:images"}, "*a table is for rows of features, and an input of * has the shape*"),
    "another attack": ({"attack": "square"}, "*--robust-attack=square: square is for linf, l2, l1, the threat is*"),
    "certificates": ({"certify": "crown"}, "*--robust-certify=crown: no bounds are known for features:spent-*"),
    "a ball and gaps": ({"threat": "linf:0.1"}, "*fill in what is missing or infinite, or leave such samples out*"),
    "a recipe": ({"train": "free"}, "*--robust-train=free: it is not for the threat model features:spent-*pgd-at*"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_one_line(table, name):
    changes, line = WRONG[name]
    named = {key: value for key, value in changes.items() if key in ("threat", "data")}
    result = table(*(f"--robust-{key}={value}" for key, value in changes.items() if key not in named), **named)

    assert result.ret == 4
    result.stderr.fnmatch_lines([line.replace("[", "[[]")])


@pytest.mark.parametrize(
    ("relation", "line"),
    [
        ("income <= spent - 1", "*none of the 60 rows keeps income <= spent - 1: correct the file, or the data*"),
        ("spent <= 2000", None),
    ],
)
def test_clean_rows_that_break_a_relation_are_named_or_all_refused(table, relation, line):
    text = TABLE.replace("spent <= income", relation)
    (table.folder / "spent.toml").write_text(text)
    result = table("--robust-attack=noise:steps=2", "-k", "preflight")

    if line:
        assert result.ret == 4
        result.stderr.fnmatch_lines([line])
    else:
        told = "constraints: * of 60 clean rows break constraints, most often spent <= 2000: rows *; expected none;*"
        result.stdout.fnmatch_lines([told])
