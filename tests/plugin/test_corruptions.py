"""Runs under corruptions, from the word to the record, the tables, the page, the floor on the mean and JUnit."""

import hashlib
import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import torch

from robust.cli import main
from robust.records.record import Record
from tests.plugin.conftest import UNCHECKED

pytestmark = pytest.mark.usefixtures("folder")

WEIGHTS = ("--robust-model=weights.pt", "--robust-arch=net.py:bare", "--robust-samples=40")
TWO = (*WEIGHTS, "--robust-threat=corruption:3:held-out", UNCHECKED)


def read_records(folder):
    return [Record.from_json(path.read_text()) for path in sorted((folder / "leaderboard/results").rglob("*.json"))]


@pytest.fixture
def measure(pytester):
    """Run pytest on the digits under one word, and return its result with the only record."""

    def measure(*args):
        result = pytester.runpytest_inprocess(*args)
        (record,) = read_records(pytester.path)
        return result, record

    return measure


def test_each_corruption_has_a_figure_and_the_worst_of_them_is_robust(measure, pytester):
    result, record = measure(*TWO, "--junitxml=junit.xml")

    result.assert_outcomes(passed=2)
    result.stdout.re_match_lines([r".*, corruption:3:held-out: mean accuracy over 4 corruptions .*"])
    assert record.threat == "corruption:3:held-out"
    assert record.corrupted.titles == ("speckle-noise", "gaussian-blur", "spatter", "saturate")
    right = record.corrupted.right == 1
    assert (record.robust == record.correct & right.all(1)).all()
    assert 0 < record.robust.mean() <= record.corrupted.shares.mean() <= 1
    assert record.attacks[0].forwards >= 40 * 4
    assert record.provenance["notes"] == ["images of 8x8 are corrupted with the parameters of pytest-robust"]
    (suite,) = ElementTree.parse(pytester.path / "junit.xml").getroot()
    notes = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert float(notes["robust.mean_corrupted"]) == pytest.approx(100 * right.mean(), abs=1e-3)


def test_tables_and_pages_show_them(measure, pytester):
    _, record = measure(*TWO)
    right = 100 * (record.corrupted.right == 1).mean(0)

    table = pd.read_csv(pytester.path / "leaderboard/leaderboard.csv")
    (line,) = table.to_dict("records")
    assert line["corrupted"] == pytest.approx(right.mean(), abs=1e-3)
    assert line["corrupted_low"] < line["corrupted"] < line["corrupted_high"]
    assert line["worst_corruption"] == record.corrupted.titles[right.argmin()]
    assert line["under spatter percent"] == pytest.approx(right[2], abs=1e-3)
    page = (pytester.path / "leaderboard/index.html").read_text()
    assert re.search(r"<caption>mean accuracy over 4 corruptions [\d.]+ \(95 % interval", page)
    assert page.count("<th>gaussian-blur<td>") == 1
    assert re.search(r"<figcaption>(speckle-noise|gaussian-blur|spatter|saturate), severity 3<", page)
    assert "<figcaption>adversarial" not in page
    assert "The image is corrupted in four ways that are no part of the usual fifteen" in page
    readme = (pytester.path / "leaderboard/README.md").read_text()
    assert "mean corrupted %" in readme
    assert "Mean corrupted: the mean over corruptions" in readme


def test_a_floor_on_the_mean_decides(pytester):
    held = pytester.runpytest_inprocess(*TWO, "--robust-fail-under=mean@corruption:3:held-out:10")
    held.assert_outcomes(passed=2)
    failed = pytester.runpytest_inprocess(*TWO, "--robust-fail-under=mean:99.9")
    failed.assert_outcomes(passed=1, failed=1)
    failed.stdout.fnmatch_lines(["mean accuracy over 4 corruptions * is below the required 99.9"])


def test_a_run_says_what_it_will_ask_before_it_does(pytester):
    result = pytester.runpytest_inprocess(*TWO)
    result.stderr.fnmatch_lines(["*, corruptions, each corruption: 40 samples, 4 corruptions of each*"])


def test_in_a_suite_beside_balls_and_in_a_union(pytester):
    words = "corruption:3:fog,linf:0.05+corruption:3:fog"
    args = (*WEIGHTS, UNCHECKED, f"--robust-threat={words}", "--robust-suite=quick-1")
    result = pytester.runpytest_inprocess(*args)

    result.assert_outcomes(passed=3)
    alone, union = sorted(read_records(pytester.path), key=lambda record: len(record.threat))
    assert [stage.attack for stage in alone.attacks[0].stages] == ["corruptions"]
    assert "corruptions" in [stage.attack for stage in union.attacks[0].stages]
    assert (union.corrupted.right == alone.corrupted.right).all()
    assert not (union.robust & ~alone.robust).any()


def test_its_inputs_are_verified_again_and_a_planted_one_is_refused(measure, pytester, capsys):
    _, record = measure(*TWO)
    verify = ["verify", record.stem, "--model=weights.pt", "--arch=net.py:bare"]
    assert main(verify) == 0
    file = next((pytester.path / "leaderboard/results").rglob("*.npz"))
    with np.load(file) as content:
        arrays = dict(content)
    arrays["x_adv"] = np.clip(arrays["x_adv"] + np.float32(1 / 255), 0, 1)
    np.savez_compressed(file, **arrays)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    path = next((pytester.path / "leaderboard/results").rglob("*.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"evidence": digest}))
    capsys.readouterr()
    assert main(verify) != 0
    assert "larger than eps" in "".join(capsys.readouterr())


def test_workers_make_the_same_row(pytester):
    rows = []
    for more in ((), ("-n", "2")):
        pytester.runpytest_inprocess(*TWO, "--robust-leaderboard=board", *more).assert_outcomes(passed=2)
        (path,) = (pytester.path / "board/results").rglob("*.json")
        rows.append(Record.from_json(path.read_text()))
        path.unlink()
    assert rows[0].same_outcomes(rows[1])
    assert (rows[0].corrupted.right == rows[1].corrupted.right).all()


def test_a_baseline_holds_them_and_compares_sample_by_sample(pytester):
    pytester.runpytest_inprocess(*TWO, "--robust-save=before").assert_outcomes(passed=2)
    again = pytester.runpytest_inprocess(*TWO, "--robust-compare=latest", "--robust-compare-fail=robust_acc:2pp")
    again.assert_outcomes(passed=3)


def test_a_baseline_compares_their_mean_where_a_margin_asks_for_it(pytester):
    pytester.runpytest_inprocess(*TWO, "--robust-save=before").assert_outcomes(passed=2)
    compare = ("--robust-compare=latest", "--robust-compare-fail=mean:2pp", "--junitxml=junit.xml")
    same = pytester.runpytest_inprocess(*TWO, *compare)
    same.assert_outcomes(passed=3)
    same.stdout.fnmatch_lines(
        ["compared with *: mean accuracy over corruptions * +0 points * 0 worse, 0 better, p = 1"]
    )

    weights = torch.load("weights.pt", weights_only=True)
    torch.save({name: 0.05 * weight if weight.dim() > 1 else weight for name, weight in weights.items()}, "weights.pt")
    worse = pytester.runpytest_inprocess(*TWO, *compare)
    worse.assert_outcomes(passed=2, failed=1)
    worse.stdout.fnmatch_lines(
        [
            "*test_regression[[]mean_corrupted-corruption-3-held-out[]]*",
            "mean accuracy over corruptions * to * %, -* points (95 % interval *: more than mean:2pp allows*",
            "worse: samples *",
        ]
    )


@pytest.mark.parametrize("change", ["answers", "robust", "nothing"])
def test_answers_that_were_changed_by_hand_are_found(measure, pytester, capsys, change):
    _, record = measure(*TWO)
    (path,) = (pytester.path / "leaderboard/results").rglob("*.json")
    (attack,) = record.attacks
    right = attack.columns["corrupted"].copy()
    row = int(np.flatnonzero(record.robust)[0])
    right[(right == 0) if change == "answers" else slice(0)] = 1
    right[row] = 0 if change == "robust" else right[row]
    changed = replace(record, attacks=(replace(attack, columns={**attack.columns, "corrupted": right}),))
    path.write_text(changed.to_json())
    capsys.readouterr()

    status = main(["verify", str(path), "--model=weights.pt", "--arch=net.py:bare"])

    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.split()[:1] == ["answers"]]
    assert (status, line.split()[1]) == ((0, "sound") if change == "nothing" else (1, "WRONG"))
    assert "of 160 corrupted inputs are answered right" in line
    assert ("not as recorded" in line) == (change != "nothing")
