"""The weakest class and group in the action's summary and comment: names are escaped, or left out."""

import json
from dataclasses import replace

import pytest

from robust.action.comment import read, render
from robust.action.comment_data import to_numbers
from robust.action.outcome import Line, Outcome, Weakest, load, save
from robust.action.summary import format_summary
from robust.stats import wilson
from tests.action.test_outputs import HOSTILE
from tests.making import record

LOW, HIGH = (f"{100 * end:.1f}" for end in wilson(1, 4))
CLASS = Weakest("class", HOSTILE, n=4, correct=3, robust=1, of=2, floor=40.0, ruling="fails")
GROUP = Weakest("group", "f", n=4, correct=4, robust=1, of=3)
FOUND = Outcome(1, [Line(record(), None, None, weakest=[CLASS, GROUP])])


def test_the_summary_has_a_line_for_each():
    told = format_summary(FOUND)

    assert f"| row 1 | group f, of 3 | 100.0 | 25.0 | {LOW} to {HIGH} |  |  | 4 |" in told
    assert f"| 75.0 | 25.0 | {LOW} to {HIGH} | 40 | fails | 4 |" in told
    assert "<script>" not in told
    assert "weakest" not in format_summary(Outcome(0, [Line(record(), None, None)]))


def test_the_comment_has_numbers_alone(tmp_path):
    (tmp_path / "numbers.json").write_text(to_numbers(FOUND))
    told = render(read(tmp_path / "numbers.json"), "failure", "")

    assert f"| 1 | of 2 classes | 25.0 | {LOW} to {HIGH} | 40 | fails | 4 |" in told
    assert f"| 1 | of 3 groups | 25.0 | {LOW} to {HIGH} |  |  | 4 |" in told
    assert "alert" not in told


@pytest.mark.parametrize(
    ("key", "value"),
    [("part", "<b>"), ("n", 9), ("robust", 5), ("of", 0), ("floor", 101), ("ruling", "maybe"), ("name", "x")],
)
def test_what_no_run_can_have_found_is_refused(tmp_path, key, value):
    numbers = json.loads(to_numbers(FOUND))
    numbers["rows"][0]["weakest"][0][key] = value
    (tmp_path / "numbers.json").write_text(json.dumps(numbers))

    with pytest.raises(ValueError, match=r"expected"):
        read(tmp_path / "numbers.json")


def test_an_outcome_comes_back_as_it_was_saved(tmp_path):
    save(tmp_path / "outcome.json", FOUND)
    (line,) = load(tmp_path / "outcome.json", 1).lines

    assert line.weakest == [CLASS, GROUP]
    assert replace(line, record=FOUND.lines[0].record) == FOUND.lines[0]
