"""Baselines on the disk: numbered, whole or not there; leaderboards and single rows are baselines, too."""

import json

import numpy as np
import pytest

from robust.baseline.git import Commit
from robust.baseline.store import list_baselines, read, read_inputs, read_numbers, save
from tests.making import evidence, file, record

ROW, OTHER = record(adversarial={"pgd": "1100" + "0000"}), record(threat="linf:0.3")
HARDEST = np.ones((3, 2), np.float32), np.array([0, 2, 5])


def saved(home, name="main", commit=None, rows=(ROW,)):
    return save(home, name, commit, [(row, evidence(row), HARDEST) for row in rows])


def test_baselines_are_numbered_and_the_newest_comes_first(tmp_path):
    made = [saved(tmp_path), saved(tmp_path, "again"), saved(tmp_path, "", Commit("ab" * 20, dirty=True))]

    assert [path.name for path in made] == ["0001_main", "0002_again", "0003_abababab"]
    assert list_baselines(tmp_path) == made[::-1]
    assert [str(read(path)) for path in made[1:]] == [
        "0002_again",
        "0003_abababab (abababab, with uncommitted changes)",
    ]
    assert (tmp_path / ".gitignore").read_text().endswith("*\n")


def test_a_baseline_without_git_and_without_a_name(tmp_path):
    assert saved(tmp_path, "").name == "0001_unnamed"
    assert read(tmp_path / "baselines" / "0001_unnamed").commit is None


def test_a_baseline_holds_its_rows_and_their_inputs(tmp_path):
    found = read(saved(tmp_path, rows=(ROW, OTHER)))

    assert {record.threat for record in found.records} == {"linf:0.15", "linf:0.3"}
    row = next(record for record in found.records if record.threat == "linf:0.15")
    broken, hardest = read_inputs(found.path_of(row))
    assert broken[1].tolist() == [0, 1]
    assert (hardest[0] == HARDEST[0]).all()
    assert read_numbers(found.path_of(row), 8).tolist() == [0, 3, 6, 9, 12, 15, 18, 21]


def test_one_that_was_not_saved_to_its_end_is_none(tmp_path):
    first, second = saved(tmp_path), saved(tmp_path)
    (second / "baseline.json").unlink()

    assert list_baselines(tmp_path) == [first]
    assert saved(tmp_path).name == "0003_main"  # its number is taken


def test_a_leaderboard_and_a_row_of_it_are_baselines(tmp_path):
    file(tmp_path, ROW, OTHER)
    whole = read(tmp_path)

    assert len(whole.records) == 2
    for path, row in whole.rows.items():
        assert read(path).records[0].identity == row.identity
        assert len([*read_inputs(path)]) == 1


def test_rows_without_their_evidence_have_no_inputs(tmp_path):
    file(tmp_path, ROW)
    (path,) = read(tmp_path).rows
    path.with_suffix(".npz").unlink()

    assert [*read_inputs(path)] == []
    assert read_numbers(path, 8) is None


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: None, "there is no such file or folder"),
        (lambda path: path.mkdir(), "holds no records"),
        (lambda path: (path / "results").mkdir(parents=True), "holds no records"),
        (lambda path: path.write_text("{}"), "not a record of a schema that this version knows: 1 or 2, got None"),
    ],
)
def test_what_is_no_baseline_is_told(tmp_path, make, told):
    make(tmp_path / "x")
    with pytest.raises((ValueError, LookupError)) as refused:
        read(tmp_path / "x")
    assert told in refused.value.args[0]


def test_a_damaged_card_loses_the_commit_alone(tmp_path):
    path = saved(tmp_path, commit=Commit("ab" * 20, dirty=False))
    for content in ("[]", "{", json.dumps({"schema": 1}), json.dumps({"commit": 5})):
        (path / "baseline.json").write_text(content)
        assert read(path).commit is None


def test_damaged_inputs_are_one_line(tmp_path):
    (path,) = read(saved(tmp_path)).rows
    path.with_suffix(".npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"\.npz is damaged: .*"):
        [*read_inputs(path)]


@pytest.mark.parametrize(
    "changes",
    [{"index": np.arange(7)}, {"index": np.zeros(8)}, {"row": np.zeros(2)}, {"x_adv": np.zeros((2, 2))}],
    ids=str,
)
def test_inputs_and_numbers_of_another_kind_are_one_line(tmp_path, changes):
    (path,) = read(saved(tmp_path)).rows
    with np.load(path.with_suffix(".npz")) as arrays:
        np.savez(path.with_suffix(".npz"), **({**arrays} | changes))
    with pytest.raises(ValueError, match=r"\.npz is (damaged|not of its record): "):
        ([*read_inputs(path)], read_numbers(path, 8))
