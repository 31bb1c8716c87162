"""Rows of a table checked again: by numpy alone, from the file's content as it is written."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest

import robust
from robust.verification.candidates import Candidates
from robust.verification.distances import check_limits
from robust.verification.moved import count_moved
from robust.verification.tables import check_rows, find_violations, move_near

CONTENT = json.dumps(
    {
        "eps": 0.1,
        "relations": ["a + 2 * b <= 20", "b >= -c * 2 - 3"],
        "groups": {"g": ["g=x", "g=y"]},
        "features": {
            "a": {"lo": 0, "hi": 10},
            "b": {"lo": 0, "hi": 10, "type": "integer", "eps": 0.3},
            "c": {"lo": -1, "hi": 1, "monotone": "decreasing"},
            "g=x": {"type": "category"},
            "g=y": {"type": "category"},
        },
    }
)
CLEAN = np.array([[5.0, 7.0, 0.5, 0, 1]], np.float32)


def check(*changes):
    (small,), (inside,) = check_rows(CONTENT, CLEAN + np.array([changes], np.float32), CLEAN)
    return bool(small), bool(inside)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ((0, 0, 0, 0, 0), (True, True)),
        ((1, 0, 0, 0, 0), (True, True)),
        ((-1.001, 0, 0, 0, 0), (False, True)),
        ((0, -3, 0, 0, 0), (True, True)),
        ((0, 0.5, 0, 0, 0), (True, False)),
        ((0.5, 1, 0, 0, 0), (True, False)),  # 5.5 + 2 * 8 is above 20
        ((0, 0, 0.1, 0, 0), (True, False)),
        ((0, 0, -0.2, 0, 0), (True, True)),
        ((0, 0, 0, 1, -1), (True, True)),
        ((0, 0, 0, 1, 0), (True, False)),
        ((0, 0, 0, 0, -1), (True, False)),
        ((np.nan, 0, 0, 0, 0), (False, False)),
    ],
)
def test_each_constraint_is_held(changes, expected):
    assert check(*changes) == expected


def test_a_missing_value_stays_missing_and_its_relations_rest():
    clean = CLEAN.copy()
    clean[0, 0] = np.nan
    higher = clean + np.array([[0, 3, 0, 0, 0]], np.float32)
    filled = np.nan_to_num(clean, nan=5.0)

    assert all(part.all() for part in check_rows(CONTENT, higher, clean))
    assert not check_rows(CONTENT, filled, clean)[1].any()


def test_rows_that_break_a_constraint_are_found_by_constraint():
    x = np.repeat(CLEAN, 4, axis=0)
    x[1, 1], x[2, 0], x[3, 3] = 7.5, 11, 1
    found = {name: np.flatnonzero(broken).tolist() for name, broken in find_violations(CONTENT, x).items()}

    assert found == {"b, an integer": [1], "a from 0 to 10": [2], "group g, one 1": [3], "a + 2 * b <= 20": [2]}


def test_one_part_of_a_union_is_enough_and_has_to_be_kept_whole():
    word = "features:t-00000000"
    x = np.repeat(CLEAN, 3, axis=0)
    x_adv = x + np.array([[1, 0, 0, 0, 0], [0.01, 0.01, 0, 0, 0], [2, 0, 0, 0, 0]], np.float32)
    both = Candidates(x_adv, x, np.zeros(3, int), f"linf:0.05+{word}", (-1, 10), 8, tables={word: CONTENT})

    assert [part.tolist() for part in check_limits(both)] == [[True, True, False], [True, True, True]]
    with pytest.raises(ValueError, match="the content of features:t-00000000 is missing"):
        check_limits(Candidates(x_adv, x, np.zeros(3, int), word, (-1, 10), 8))


def test_rows_nearby_move_in_their_floats_alone():
    x = np.repeat(CLEAN, 2, axis=0)
    moved = move_near(CONTENT, x, np.ones_like(x))

    assert (moved[:, [0, 2]] - x[:, [0, 2]]).ravel().tolist() == pytest.approx([1, 0.2] * 2)
    assert (moved[:, [1, 3, 4]] == x[:, [1, 3, 4]]).all()


def test_what_was_moved_is_counted_by_feature():
    x = np.repeat(CLEAN, 4, axis=0)
    x_adv = x + np.array([[1, 0, 0, 1, -1], [0.5, 0, 0, 1, -1], [-0.25, 3, 0, 1, -1], [0, 0, 0, 0, 0]], np.float32)
    group, b, a = count_moved(CONTENT, x_adv, x)

    assert (group.feature, group.n, group.of, group.way) == ("g", 3, 4, "g=y to g=x 3")
    assert a.cells == ("a", "75 %", "0.5", "1", "up 2, down 1")
    assert b.cells == ("b", "25 %", "3", "3", "up 1")


def test_it_shares_nothing_with_the_attacks():
    folder = Path(robust.__file__).parent / "verification"
    for name in ("tables.py", "moved.py"):
        imports = [
            node for node in ast.walk(ast.parse((folder / name).read_text())) if isinstance(node, ast.ImportFrom)
        ]
        assert not [node.module for node in imports if str(node.module).startswith("robust.attacks")]
