"""The README's demo, run as its users run it: the table there is what comes out."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from robust.records.store import records
from robust.report.board import boards
from robust.report.markdown import table

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()

# Training amplifies the last bit of a sum, and other processors add up in another order.
TOLERANCE = 5.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The leaderboard of the README's pytest line, run in a copy of the examples."""
    (line,) = re.findall(r"^pytest (--robust-only .*demo-leaderboard)$", README, re.MULTILINE)
    folder = tmp_path_factory.mktemp("demo")
    (folder / "examples").symlink_to(ROOT / "examples")
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", f"--rootdir={folder}", "-c", "pytest.ini", *line.split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "demo-leaderboard"


@pytest.fixture(scope="module")
def board(folder):
    (board,) = boards(records(folder))
    return board


def shown():
    """The README's table: {training: {column: text}}."""
    lines = README.partition("<!-- demo:start -->")[2].partition("<!-- demo:end -->")[0].split("\n")
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|"))
    return {row["training"]: row for row in (dict(zip(head, row, strict=True)) for row in rows)}


def test_the_make_target_runs_the_same_line():
    (line,) = re.findall(r"^pytest (--robust-only .*demo-leaderboard)$", README, re.MULTILINE)
    (recipe,) = re.findall(
        r"^demo: .*\n\t\$\(BIN\)/pytest ((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )

    assert recipe.replace("\\\n", " ").split() == line.split()


@pytest.mark.slow
def test_the_table_in_the_readme_is_what_comes_out(board):
    by_training = {row.record.model.training: row for row in board.rows}

    assert set(shown()) == set(by_training)
    for training, row in shown().items():
        found = by_training[training]
        for column, value in (
            ("clean %", found.clean),
            ("robust %", found.robust),
            *zip(board.columns, found.under, strict=True),
        ):
            if value is None or not row.get(column, ""):  # a row in doubt is mitigated, and a doubt may go either way
                continue
            assert float(row[column]) == pytest.approx(value, abs=TOLERANCE), (
                training,
                column,
                "\n".join(table(board)),
            )


@pytest.mark.slow
def test_adversarial_training_gains_40_points_under_pgd(folder):
    rows = pd.read_csv(folder / "results.csv")
    pgd = rows[rows.attack == "pgd"].set_index("training").robust_percent

    assert pgd["n-fgsm"] >= pgd["standard"] + 40


@pytest.mark.slow
def test_every_row_is_of_all_samples_and_the_worst_case(folder):
    rows = pd.read_csv(folder / "results.csv")

    assert (rows.n == 599).all()
    worst = rows[rows.attack == "all"].set_index("training").robust_correct
    single = rows[rows.attack != "all"].groupby("training").robust_correct.min()
    assert (worst <= single[worst.index]).all()
